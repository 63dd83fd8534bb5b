-- Postgres as the judge of single rows. Everything here can be run again.

-- Inserts records with a statement that takes an array of them, each the text of a
-- text[], and returns those that are refused, with the cause. Good ones go in blocks
-- that grow; a block that is refused is divided. It ends early when more than `most`
-- have been refused. What is no record's fault is raised.
create or replace function loader.judge_rows(statement text, records text[], most bigint)
returns table (at integer, state text, message text, refused_column text, refused_constraint text)
language plpgsql as $$
declare
    first   integer := 1;
    size    integer := 1;
    refused bigint := 0;
begin
    while first <= cardinality(records) and refused <= most loop
        begin
            execute statement using records[first : first + size - 1];
            first := first + size;
            size := least(size * 2, 256);
        exception when others then
            get stacked diagnostics state = returned_sqlstate, message = message_text,
                refused_column = column_name, refused_constraint = constraint_name;
            -- 54: a value that is too long or a row that is too wide; 42: a text that
            -- names something which is not there, in a column such as regclass.
            if left(state, 2) not in ('22', '23', '38', '54', 'P0')
               and state not in ('42601', '42602', '42622', '42704', '42725', '42883', '42P01') then
                raise;
            end if;
            if size > 1 then
                size := greatest(size / 4, 1);
                continue;
            end if;
            at := first;
            return next;
            refused := refused + 1;
            first := first + 1;
        end;
    end loop;
end
$$;

-- Finds the column whose value spoils a record. `probes` are queries that read one
-- value of a record as what it has to be; `candidates` are the numbers of those that
-- may fail, for each record. Returns the first that does, if one does.
create or replace function loader.judge_columns(probes text[], records text[], candidates text[])
returns table (at integer, refused integer)
language plpgsql as $$
declare
    record    text;
    candidate integer;
begin
    at := 0;
    foreach record in array records loop
        at := at + 1;
        refused := null;
        foreach candidate in array candidates[at]::integer[] loop
            begin
                execute probes[candidate] using record;
            exception when others then
                refused := candidate;
            end;
            exit when refused is not null;
        end loop;
        return next;
    end loop;
end
$$;
