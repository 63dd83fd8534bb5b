-- The roles of the fixtures. Roles belong to the server, not to a database: they
-- are made once, and tests that start together wait for each other.
begin;
lock table pg_catalog.pg_authid in share row exclusive mode;
do $$
declare
    role text;
begin
    foreach role in array array['catalog_owner', 'catalog_reader', 'catalog_writer', 'catalog_granter',
                                'catalog_analyst', 'catalog_tenant', 'catalog_stranger'] loop
        if to_regrole(role) is null then
            execute format('create role %I', role);
        end if;
    end loop;
end
$$;
commit;
