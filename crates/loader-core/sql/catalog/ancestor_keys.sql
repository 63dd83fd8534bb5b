-- Foreign keys that keep a partition from being exchanged: those that refer to a
-- table above it, and those of such a table to one that is replaced too. $1 are the
-- tables above, $2 the tables that are replaced.
select con.oid::oid, con.conrelid::oid, con.conname::text, pg_get_constraintdef(con.oid),
       quote_literal(obj_description(con.oid, 'pg_constraint'))
  from pg_catalog.pg_constraint con
 where con.contype = 'f' and con.conparentid = 0
   and (con.confrelid = any ($1) or con.conrelid = any ($1) and con.confrelid = any ($2))
 order by con.conrelid, con.conname
