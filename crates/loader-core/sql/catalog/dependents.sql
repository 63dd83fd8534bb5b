-- What binds a table by its object and must be bound to another one when that
-- takes its place. $1 is the table. Read with an empty search_path.
with recursive rebuilt(oid) as (
    -- A materialized view can't be bound anew: it is made again, and what binds
    -- it must be bound anew in turn.
    select $1::oid
    union
    select m.oid
      from rebuilt b
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid
                      and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite w on w.oid = d.objid
      join pg_catalog.pg_class m on m.oid = w.ev_class and m.relkind = 'm'
),
-- How far views are from the table, over all views between.
distance(oid, level) as (
    select $1::oid, 0
    union
    select v.oid, b.level + 1
      from distance b
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid
                      and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite w on w.oid = d.objid and w.rulename = '_RETURN'
      join pg_catalog.pg_class v on v.oid = w.ev_class and v.oid <> b.oid
     where b.level < 200
),
levels as (select oid, max(level) as level from distance group by oid),
rules as (
    select distinct w.oid, w.rulename, w.ev_class, w.ev_enabled
      from rebuilt b
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid
                      and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite w on w.oid = d.objid and w.ev_class <> $1
),
types as (
    select t.oid, b.oid as relation
      from rebuilt b
      join pg_catalog.pg_class c on c.oid = b.oid
      join pg_catalog.pg_type t on t.oid = c.reltype
                     or t.oid = (select row.typarray from pg_catalog.pg_type row where row.oid = c.reltype)
),
found(kind, oid, schema, name, makes, unmakes, level, owner) as (
    select case c.relkind when 'm' then 'materialized view' else 'view' end, c.oid, n.nspname, c.relname,
           case c.relkind when 'm' then
               rtrim(pg_get_viewdef(c.oid), ';')
           else
               format('create or replace view %I.%I%s as %s', n.nspname, c.relname,
                      ' with (' || (select string_agg(format('%I = %L', o.option_name, o.option_value), ', ')
                                      from pg_options_to_table(c.reloptions) as o) || ')',
                      rtrim(pg_get_viewdef(c.oid), ';'))
           end,
           case c.relkind when 'm' then null else
               -- Changes nothing and takes the view's lock, which `lock table`
               -- would take on every table of the view as well.
               format('alter view %I.%I owner to %I', n.nspname, c.relname, pg_get_userbyid(c.relowner)) end,
           coalesce(l.level, 1), c.relowner
      from rules w
      join pg_catalog.pg_class c on c.oid = w.ev_class
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join levels l on l.oid = c.oid
     where w.rulename = '_RETURN' and c.relkind in ('v', 'm') and c.relpersistence <> 't'
    union all
    select 'rule', w.oid, n.nspname, c.relname,
           regexp_replace(rtrim(pg_get_ruledef(w.oid), ';'), '^CREATE RULE', 'create or replace rule'), null, 0, c.relowner
      from rules w
      join pg_catalog.pg_class c on c.oid = w.ev_class
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where w.rulename <> '_RETURN' and c.relpersistence <> 't' and c.oid not in (select oid from rebuilt)
    union all
    select distinct 'function', p.oid, n.nspname, p.proname, concat_ws('; ', rtrim(pg_get_functiondef(p.oid), E'\n'),
               -- `create or replace` forgets it.
               (select string_agg(format('alter routine %s depends on extension %I', p.oid::regprocedure, e.extname), '; ' order by e.extname)
                  from pg_catalog.pg_depend x join pg_catalog.pg_extension e on e.oid = x.refobjid
                 where x.classid = 'pg_catalog.pg_proc'::regclass and x.objid = p.oid and x.deptype = 'x')), null, 0, p.proowner
      from rebuilt b
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid
                      and d.classid = 'pg_catalog.pg_proc'::regclass
      join pg_catalog.pg_proc p on p.oid = d.objid and p.prosqlbody is not null
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    union all
    select distinct 'policy', p.oid, n.nspname, c.relname,
           format('alter policy %I on %I.%I%s%s', p.polname, n.nspname, c.relname,
                  ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                  ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), null, 0, c.relowner
      from rebuilt b
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid
                      and d.classid = 'pg_catalog.pg_policy'::regclass
      join pg_catalog.pg_policy p on p.oid = d.objid and p.polrelid <> b.oid
      join pg_catalog.pg_class c on c.oid = p.polrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    union all
    -- `%T` stands for the table that it refers to.
    select 'foreign key', con.oid, n.nspname, c.relname,
           replace(pg_get_constraintdef(con.oid), 'REFERENCES ' || format('%I.%I', tn.nspname, t.relname) || '(',
                   'REFERENCES %T('),
           con.conname, 0, c.relowner
      from pg_catalog.pg_constraint con
      join pg_catalog.pg_class c on c.oid = con.conrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_class t on t.oid = con.confrelid
      join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
     where con.contype = 'f' and con.confrelid = $1 and con.conrelid <> $1 and con.conparentid = 0
    union all
    select distinct 'refused', d.objid, '', '', pg_describe_object(d.classid, d.objid, d.objsubid), null, 0, 0::oid
      from rebuilt b
      join pg_catalog.pg_class c on c.oid = b.oid
      join pg_catalog.pg_depend d
        on (d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.oid)
        or (d.refclassid = 'pg_catalog.pg_type'::regclass
            and d.refobjid in (select t.oid from types t where t.relation = b.oid))
        or (d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjid in (select s.objid from pg_catalog.pg_depend s
                                where s.classid = 'pg_catalog.pg_class'::regclass
                                  and s.refclassid = 'pg_catalog.pg_class'::regclass
                                  and s.refobjid = b.oid and s.refobjsubid > 0 and s.deptype = 'i'))
     where d.deptype <> 'P' and d.deptype <> 'S'
       and not (d.classid = 'pg_catalog.pg_type'::regclass and d.objid in (select oid from types))
       and not (d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass)
       and not (d.classid = 'pg_catalog.pg_proc'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
                and (select p.prosqlbody is not null from pg_catalog.pg_proc p where p.oid = d.objid)
                and not exists (select 1 from pg_catalog.pg_depend own
                                 where own.classid = d.classid and own.objid = d.objid
                                   and own.refclassid = 'pg_catalog.pg_type'::regclass
                                   and own.refobjid in (select oid from types)))
       and not (d.classid = 'pg_catalog.pg_policy'::regclass)
       and not (d.classid = 'pg_catalog.pg_constraint'::regclass
                and exists (select 1 from pg_catalog.pg_constraint con where con.oid = d.objid
                               and (con.conrelid = b.oid or (con.contype = 'f' and con.confrelid = $1 and b.oid = $1))))
       and not (d.classid = 'pg_catalog.pg_attrdef'::regclass
                and exists (select 1 from pg_catalog.pg_attrdef a where a.oid = d.objid and a.adrelid = b.oid)
                and d.refobjid = b.oid)
       and not (d.classid = 'pg_catalog.pg_trigger'::regclass
                and exists (select 1 from pg_catalog.pg_trigger t where t.oid = d.objid
                               and (t.tgrelid = b.oid or t.tgisinternal)))
       and not (d.classid = 'pg_catalog.pg_statistic_ext'::regclass)
       and not (d.classid = 'pg_catalog.pg_publication_rel'::regclass)
       and not (d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
                and (d.refobjid = b.oid or d.objid = b.oid)
                and exists (select 1 from pg_catalog.pg_class own where own.oid = d.objid
                               and (own.relkind in ('i', 'I', 't')
                                    or (own.relkind = 'S' and d.deptype in ('a', 'i'))
                                    or own.oid in (select oid from rebuilt))))
    union all
    select 'refused', e.oid, '', '', format('extension %I, which the table belongs to', e.extname), null, 0, 0::oid
      from pg_catalog.pg_depend d
      join pg_catalog.pg_extension e on e.oid = d.refobjid
     where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = $1
       and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
    union all
    select 'refused', i.inhparent, '', '', format('table %s, which the table inherits from', i.inhparent::regclass), null, 0, 0::oid
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid and not c.relispartition
     where i.inhrelid = $1
    union all
    select 'refused', s.srsubid, '', '', 'a subscription that replicates into the table', null, 0, 0::oid
      from pg_catalog.pg_subscription_rel s
     where s.srrelid = $1
)
select kind::text, oid::oid, schema::text, name::text, makes::text, unmakes::text, level::int,
       case when owner = 0 or pg_has_role(owner, 'usage') then null else pg_get_userbyid(owner)::text end,
       case when kind = 'foreign key' then quote_literal(obj_description(oid, 'pg_constraint')) end
  from found
 order by kind, level desc, schema, name, oid
