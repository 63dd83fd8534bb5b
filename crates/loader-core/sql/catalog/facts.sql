-- What hangs on a relation and bears no name of its own in a schema, as statements
-- that make it on another relation. $1 is the relation, $2 the other one's name
-- as it is written in SQL. Read with an empty search_path, so that every name in
-- the answers is qualified.
with relation as (
    select c.oid, c.relkind, c.relowner, c.relacl, c.reloptions, c.reltoastrelid, c.relreplident, c.reloftype,
           c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
           format('%I.%I', n.nspname, c.relname) as name,
           case c.relkind when 'm' then 'materialized view' when 'S' then 'sequence' when 'v' then 'view'
                          else 'table' end as word
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid = $1
),
columns as (
    select a.*, format('alter table %s alter column %I', $2::text, a.attname) as altering
      from relation r
      join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
     where r.relkind <> 'S'
),
-- Who may what, in the order of the list: entries of one grantor, grantee and
-- grant option together.
entries as (
    select 0 as attnum, null::name as attname, acl.grantor, acl.grantee, acl.is_grantable, acl.place,
           string_agg(lower(acl.privilege_type), ', ' order by acl.n) as privileges
      from relation r
      cross join lateral (
          select e.*, a.place, row_number() over () as n
            from unnest(coalesce(r.relacl, acldefault(case r.relkind when 'S' then 's' else 'r' end::"char", r.relowner)))
                 with ordinality as a(item, place)
            cross join lateral aclexplode(array[a.item]) as e) as acl
     group by acl.grantor, acl.grantee, acl.is_grantable, acl.place
    union all
    select c.attnum, c.attname, acl.grantor, acl.grantee, acl.is_grantable, acl.place,
           string_agg(lower(acl.privilege_type), ', ' order by acl.n)
      from columns c
      cross join lateral (
          select e.*, a.place, row_number() over () as n
            from unnest(c.attacl) with ordinality as a(item, place)
            cross join lateral aclexplode(array[a.item]) as e) as acl
     group by c.attnum, c.attname, acl.grantor, acl.grantee, acl.is_grantable, acl.place
),
grants as (
    select e.attnum, e.place, e.is_grantable,
           case when e.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end as grantee,
           format('grant %s on %s %s to %s%s',
                  case when e.attname is null then e.privileges
                       else (select string_agg(format('%s (%I)', p, e.attname), ', ')
                               from unnest(string_to_array(e.privileges, ', ')) as p) end,
                  case r.relkind when 'S' then 'sequence' else 'table' end, $2::text,
                  case when e.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end,
                  case when e.is_grantable then ' with grant option' else '' end) as granting,
           case when e.grantor <> r.relowner then quote_ident(pg_get_userbyid(e.grantor)) end as grantor
      from relation r cross join entries e
),
facts(kind, name, makes, unmakes) as (
    select 'owner', '', format('alter %s %s owner to %I', case relkind when 'v' then 'view' else 'table' end,
                               $2::text, pg_get_userbyid(relowner)), null
      from relation
    union all
    select 'option', scope, format('alter table %s set (%s)', $2::text, string_agg(format('%s%I = %L', prefix, o.option_name, o.option_value), ', ' order by o.place)),
           format('alter table %s reset (%s)', $2::text, string_agg(format('%s%I', prefix, o.option_name), ', ' order by o.place))
      from (select relkind, 'own' as scope, '' as prefix, reloptions from relation
            union all
            select r.relkind, 'toast', 'toast.', toast.reloptions
              from relation r join pg_catalog.pg_class toast on toast.oid = r.reltoastrelid) as optioned
     cross join lateral (select o.*, row_number() over () as place from pg_options_to_table(reloptions) as o) as o
     where relkind in ('r', 'm', 'p')
     group by scope
    union all
    select 'default', attname, format('%s set default %s', altering, pg_get_expr(d.adbin, d.adrelid)),
           altering || ' drop default'
      from columns c
      join pg_catalog.pg_attrdef d on d.adrelid = c.attrelid and d.adnum = c.attnum
     where attgenerated = ''
    union all
    select 'not null', attname, altering || ' set not null', altering || ' drop not null'
      from columns
     where attnotnull and current_setting('server_version_num')::int < 180000
    union all
    select 'storage', attname, format('%s set storage %s', altering, own.word), format('%s set storage %s', altering, usual.word)
      from columns c
      join pg_catalog.pg_type t on t.oid = c.atttypid
      join (values ('p', 'plain'), ('e', 'external'), ('m', 'main'), ('x', 'extended')) as own(letter, word)
        on own.letter = c.attstorage::text
      join (values ('p', 'plain'), ('e', 'external'), ('m', 'main'), ('x', 'extended')) as usual(letter, word)
        on usual.letter = t.typstorage::text
     cross join relation
     where relkind <> 'v' and attstorage <> typstorage
    union all
    select 'compression', attname,
           format('%s set compression %s', altering, case attcompression when 'p' then 'pglz' else 'lz4' end),
           altering || ' set compression default'
      from columns
     cross join relation
     where relkind <> 'v' and attcompression in ('p', 'l')
    union all
    select 'statistics target', attname, format('%s set statistics %s', altering, attstattarget),
           altering || ' set statistics -1'
      from columns
     cross join relation
     where relkind <> 'v' and coalesce(attstattarget, -1) <> -1
    union all
    select 'column option', attname || '.' || o.option_name,
           format('%s set (%I = %L)', altering, o.option_name, o.option_value),
           format('%s reset (%I)', altering, o.option_name)
      from columns cross join lateral pg_options_to_table(attoptions) as o
    union all
    select 'comment', '', format('comment on %s %s is %L', word, $2::text, d.description),
           format('comment on %s %s is null', word, $2::text)
      from relation
      join pg_catalog.pg_description d
        on d.objoid = oid and d.classoid = 'pg_catalog.pg_class'::regclass and d.objsubid = 0
    union all
    select 'column comment', attname, format('comment on column %s.%I is %L', $2::text, attname, d.description),
           format('comment on column %s.%I is null', $2::text, attname)
      from columns
      join pg_catalog.pg_description d
        on d.objoid = attrelid and d.classoid = 'pg_catalog.pg_class'::regclass and d.objsubid = attnum
    union all
    -- A NOT NULL is of its column, whatever its constraint is called (PostgreSQL 18).
    select case contype when 'f' then 'foreign key' when 'n' then 'not null' else 'check' end,
           case contype when 'n' then (select a.attname from pg_catalog.pg_attribute a
                                        where a.attrelid = con.conrelid and a.attnum = con.conkey[1])
                        else conname end,
           concat_ws('; ', format('alter table %s add constraint %I %s', $2::text, conname,
               case when contype = 'f' and confrelid = conrelid
                    then replace(pg_get_constraintdef(con.oid), 'REFERENCES ' || r.name || '(', 'REFERENCES ' || $2::text || '(')
                    else pg_get_constraintdef(con.oid) end),
               format('comment on constraint %I on %s is ', conname, $2::text) || quote_literal(obj_description(con.oid, 'pg_constraint'))),
           format('alter table %s drop constraint %I', $2::text, conname)
      from relation r
      join pg_catalog.pg_constraint con on con.conrelid = r.oid
     where contype in ('c', 'f', 'n') and (conparentid = 0 or r.relispartition)
    union all
    select 'trigger', tgname,
           concat_ws('; ',
               -- The table comes after the events, which name columns only.
               overlay(pg_get_triggerdef(t.oid) placing ' ON ' || $2::text || ' '
                       from position(' ON ' || r.name || ' ' in pg_get_triggerdef(t.oid))
                       for length(' ON ' || r.name || ' ')),
               case tgenabled when 'D' then format('alter table %s disable trigger %I', $2::text, tgname)
                              when 'R' then format('alter table %s enable replica trigger %I', $2::text, tgname)
                              when 'A' then format('alter table %s enable always trigger %I', $2::text, tgname) end,
               format('comment on trigger %I on %s is ', tgname, $2::text) || quote_literal(obj_description(t.oid, 'pg_trigger')),
               (select string_agg(format('alter trigger %I on %s depends on extension %I', tgname, $2::text, e.extname), '; ' order by e.extname)
                  from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
                 where d.classid = 'pg_catalog.pg_trigger'::regclass and d.objid = t.oid and d.deptype = 'x')),
           format('drop trigger %I on %s', tgname, $2::text)
      from relation r
      join pg_catalog.pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal and t.tgparentid = 0
    union all
    -- A trigger of the parent that is in another state on the partition.
    select 'inherited trigger', t.tgname,
           concat_ws('; ',
               format('alter table %s %s trigger %I', $2::text,
                      case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica'
                                       when 'A' then 'enable always' else 'enable' end, t.tgname),
               format('comment on trigger %I on %s is ', t.tgname, $2::text) || quote_literal(obj_description(t.oid, 'pg_trigger'))),
           null
      from relation r
      join pg_catalog.pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
      join pg_catalog.pg_trigger above on above.oid = t.tgparentid
     where t.tgenabled <> above.tgenabled or obj_description(t.oid, 'pg_trigger') is not null
    union all
    select 'rule', rulename,
           concat_ws('; ', rtrim(pg_get_ruledef(w.oid), ';'),
               case ev_enabled when 'D' then format('alter table %s disable rule %I', $2::text, rulename)
                               when 'R' then format('alter table %s enable replica rule %I', $2::text, rulename)
                               when 'A' then format('alter table %s enable always rule %I', $2::text, rulename) end,
               format('comment on rule %I on %s is ', rulename, $2::text) || quote_literal(obj_description(w.oid, 'pg_rewrite'))),
           format('drop rule %I on %s', rulename, $2::text)
      from relation r
      join pg_catalog.pg_rewrite w on w.ev_class = r.oid and w.rulename <> '_RETURN'
    union all
    select 'policy', polname,
           concat_ws('; ',
               format('create policy %I on %s as %s for %s to %s%s%s', polname, $2::text,
                   case when polpermissive then 'permissive' else 'restrictive' end,
                   case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                               when 'd' then 'delete' else 'all' end,
                   (select string_agg(case when role = 0 then 'public' else quote_ident(pg_get_userbyid(role)) end, ', ')
                      from unnest(polroles) as role),
                   ' using (' || pg_get_expr(polqual, polrelid) || ')',
                   ' with check (' || pg_get_expr(polwithcheck, polrelid) || ')'),
               format('comment on policy %I on %s is ', polname, $2::text) || quote_literal(obj_description(p.oid, 'pg_policy'))),
           format('drop policy %I on %s', polname, $2::text)
      from relation r
      join pg_catalog.pg_policy p on p.polrelid = r.oid
    union all
    select 'row security', 'enabled', format('alter table %s enable row level security', $2::text),
           format('alter table %s disable row level security', $2::text)
      from relation where relrowsecurity
    union all
    select 'row security', 'forced', format('alter table %s force row level security', $2::text),
           format('alter table %s no force row level security', $2::text)
      from relation where relforcerowsecurity
    union all
    select 'replica identity', '',
           format('alter table %s replica identity %s', $2::text,
               case relreplident when 'f' then 'full' when 'n' then 'nothing' when 'i'
                    then 'using index ' || (select quote_ident(i.relname)
                                              from pg_catalog.pg_index x
                                              join pg_catalog.pg_class i on i.oid = x.indexrelid
                                             where x.indrelid = r.oid and x.indisreplident)
                    end),
           format('alter table %s replica identity default', $2::text)
      from relation r where relkind = 'r' and relreplident <> 'd'
    union all
    select 'cluster', '', format('alter table %s cluster on %I', $2::text, i.relname),
           format('alter table %s set without cluster', $2::text)
      from relation r
      join pg_catalog.pg_index x on x.indrelid = r.oid and x.indisclustered
      join pg_catalog.pg_class i on i.oid = x.indexrelid
    union all
    select 'publication', pubname,
           format('alter publication %I add table %s%s%s', pubname,
               case when relkind = 'r' then 'only ' else '' end || $2::text,
               (select ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')'
                  from pg_catalog.pg_attribute a
                 where a.attrelid = r.oid and a.attnum = any (pr.prattrs)),
               ' where (' || pg_get_expr(pr.prqual, pr.prrelid) || ')'),
           format('alter publication %I drop table %s', pubname, $2::text)
      from relation r
      join pg_catalog.pg_publication_rel pr on pr.prrelid = r.oid
      join pg_catalog.pg_publication p on p.oid = pr.prpubid
    union all
    select 'type', '', format('alter table %s of %s', $2::text, format_type(reloftype, null)),
           format('alter table %s not of', $2::text)
      from relation where reloftype <> 0
    union all
    select 'extension', e.extname, format('alter materialized view %s depends on extension %I', $2::text, e.extname),
           format('alter materialized view %s no depends on extension %I', $2::text, e.extname)
      from relation
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = relation.oid and d.deptype = 'x'
      join pg_catalog.pg_extension e on e.oid = d.refobjid
     where relkind = 'm'
    union all
    -- One fact for all grants: a revoke on the table takes those on columns along.
    select 'grants', '',
           concat_ws('; ',
               format('revoke all on %s %s from %I', case r.relkind when 'S' then 'sequence' else 'table' end,
                      $2::text, pg_get_userbyid(r.relowner)),
               (select string_agg(case when g.grantor is null then g.granting
                                       else format('set local role %s; %s; reset role', g.grantor, g.granting) end,
                                  '; ' order by g.attnum, g.place, g.is_grantable)
                  from grants g)),
           (select string_agg(format('revoke all on %s %s from %s cascade', case r.relkind when 'S' then 'sequence' else 'table' end,
                                     $2::text, revoked.grantee), '; ' order by revoked.grantee)
              from (select distinct grantee from grants) as revoked)
      from relation r
)
-- The rest is for foreign keys: the other table that one refers to, the statement
-- with `%T` in that one's place, and where the rows can be looked at afterwards, the
-- statement that makes it without and the one that looks. To a partitioned table
-- they can't: the keys to its partitions would stay not valid.
select facts.kind::text, facts.name::text, facts.makes::text, facts.unmakes::text, key.referred,
       replace(facts.makes, 'REFERENCES ' || key.referred_name || '(', 'REFERENCES %T('),
       replace(facts.makes, key.definition, key.definition || ' NOT VALID'),
       case when key.definition is not null then format('alter table %s validate constraint %I', $2::text, facts.name) end
  from facts
  left join lateral (
       select case when con.confrelid <> $1 then con.confrelid::oid end as referred,
              format('%I.%I', n.nspname, c.relname) as referred_name,
              case when con.convalidated and c.relkind <> 'p' then
                   case when con.confrelid = $1
                        then replace(pg_get_constraintdef(con.oid), 'REFERENCES ' || format('%I.%I', n.nspname, c.relname) || '(',
                                     'REFERENCES ' || $2::text || '(')
                        else pg_get_constraintdef(con.oid) end
              end as definition
         from pg_catalog.pg_constraint con
         join pg_catalog.pg_class c on c.oid = con.confrelid
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where con.conrelid = $1 and con.contype = 'f' and con.conname = facts.name) as key
    on facts.kind = 'foreign key'
 order by 1, 2
