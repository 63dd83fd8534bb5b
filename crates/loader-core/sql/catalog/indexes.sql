-- The valid indexes of a relation, with the constraints that they carry. $1 is the relation.
select x.indexrelid::oid,
       i.relname::text,
       x.indisunique,
       substr(pg_get_indexdef(x.indexrelid), length(prefix) + 1) as definition,
       starts_with(pg_get_indexdef(x.indexrelid), prefix) as is_understood,
       s.spcname::text,
       con.conname::text,
       con.contype::text,
       case when con.condeferred then ' deferrable initially deferred' when con.condeferrable then ' deferrable' else '' end,
       -- A temporal key and an exclusion can't be made from an index.
       case when con.contype = 'x' or am.amname <> 'btree' then pg_get_constraintdef(con.oid) end,
       obj_description(i.oid, 'pg_class'),
       obj_description(con.oid, 'pg_constraint'),
       coalesce((select array_agg(format('alter column %s set statistics %s', a.attnum, a.attstattarget) order by a.attnum)
                   from pg_catalog.pg_attribute a
                  where a.attrelid = i.oid and coalesce(a.attstattarget, -1) <> -1), '{}'::text[]),
       case when con.contype = 'x' or am.amname <> 'btree'
            then coalesce((select array_agg(format('set (%I = %L)', o.option_name, o.option_value))
                             from pg_options_to_table(i.reloptions) as o), '{}'::text[])
            else '{}'::text[] end
           || coalesce((select array_agg(format('depends on extension %I', e.extname) order by e.extname)
                          from pg_catalog.pg_depend d
                          join pg_catalog.pg_extension e on e.oid = d.refobjid
                         where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.oid and d.deptype = 'x'), '{}'::text[])
  from pg_catalog.pg_index x
  join pg_catalog.pg_class i on i.oid = x.indexrelid
  join pg_catalog.pg_am am on am.oid = i.relam
  join pg_catalog.pg_class r on r.oid = x.indrelid
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  left join pg_catalog.pg_tablespace s on s.oid = i.reltablespace
  left join pg_catalog.pg_constraint con on con.conindid = i.oid and con.contype in ('p', 'u', 'x') and con.conrelid = r.oid
 cross join lateral (
       select format('CREATE %sINDEX %I ON %s%I.%I ', case when x.indisunique then 'UNIQUE ' else '' end, i.relname,
                     case when i.relkind = 'I' then 'ONLY ' else '' end, n.nspname, r.relname)) as prefixed(prefix)
 where x.indrelid = $1 and x.indisvalid
 order by i.relname
