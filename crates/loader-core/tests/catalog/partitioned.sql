-- A live table that is partitioned, public.event: by range, by list below it, with a
-- default partition, and with things on the parent, on every level, and on single
-- partitions.
alter default privileges grant insert on tables to catalog_stranger;

create schema ref;
create table ref.place (name text primary key);
insert into ref.place values ('here'), ('there'), ('far away');
create function public.noted() returns trigger language plpgsql as $$ begin return new; end $$;

create sequence public.event_numbers start 5000;
create table public.event (
    gone int,
    day date not null,
    id bigint not null default nextval('public.event_numbers'),
    place text default 'here',
    words text,
    shouted text generated always as (upper(words)) stored,
    amount numeric(8, 2) constraint event_amount_small check (amount < 100000)
) partition by range (day);
alter sequence public.event_numbers owned by public.event.id;
alter table public.event drop column gone;

-- Partitions with other column orders than the parent, and other settings.
create table public.event_2023 (
    amount numeric(8, 2) constraint event_amount_small check (amount < 100000),
    day date not null,
    id bigint not null default nextval('public.event_numbers'),
    words text,
    also_gone text,
    place text default 'there',
    shouted text generated always as (upper(words)) stored
) with (fillfactor = 50);
alter table public.event_2023 drop column also_gone;
alter table public.event attach partition public.event_2023 for values from ('2023-01-01') to ('2024-01-01');
create table public.event_2024 partition of public.event
    for values from ('2024-01-01') to ('2025-01-01') partition by list (place);
create table public."event 2024 here" partition of public.event_2024
    for values in ('here') with (autovacuum_enabled = off);
create table ref.event_2024_there partition of public.event_2024
    (constraint there_is_short check (length(words) < 1000)) for values in ('there', null) partition by hash (id);
create table ref.event_2024_there_0 partition of ref.event_2024_there for values with (modulus 2, remainder 0);
create table ref.event_2024_there_1 partition of ref.event_2024_there for values with (modulus 2, remainder 1);
create table public.event_2024_rest partition of public.event_2024 default;
create table public.event_rest partition of public.event default;

alter table public.event
    add constraint "event key" primary key (day, id, place),
    add constraint event_place foreign key (place) references ref.place on update cascade deferrable;
create index event_words on public.event (lower(words), amount desc nulls last) where amount > 0;
create index event_words_2023 on public.event_2023 (words text_pattern_ops);
create index event_amount_here on public."event 2024 here" using brin (amount);
alter table public.event_2023 add constraint event_2023_id unique (id);
alter table public.event_2023 replica identity full;
alter table public.event_2023 cluster on event_words_2023;
alter table public.event_2023 alter column words set statistics 500, alter column words set storage external;
create statistics public.event_where on place, amount from public.event;
create statistics public.event_2023_where on place, words from public.event_2023;

create trigger event_noted after insert on public.event for each row execute function public.noted();
create trigger event_2023_noted before update on public.event_2023 for each row execute function public.noted();
create trigger event_said after update on public.event for each statement execute function public.noted();
alter table public.event_2023 disable trigger event_noted;
create rule event_rest_kept as on delete to public.event_rest do instead nothing;

alter table public.event owner to catalog_owner;
alter table public.event_2023 owner to catalog_granter;
revoke all on public.event, public.event_2023, public.event_rest from catalog_stranger;
grant select on public.event to catalog_reader;
grant select (id, day), update (amount) on public.event to catalog_analyst with grant option;
grant select on public.event_2023 to catalog_tenant with grant option;
grant delete on ref.event_2024_there_1 to catalog_writer;
alter table public.event enable row level security;
create policy event_seen on public.event for select to catalog_reader, catalog_analyst using (place <> 'far away');
alter table public.event_2023 enable row level security, force row level security;
create policy event_2023_seen on public.event_2023 to catalog_tenant using (true);

create table ref.visit (
    day date, id bigint, place text,
    constraint visit_event foreign key (day, id, place) references public.event on delete cascade
);
create table ref.visit_2023 (id bigint constraint visit_2023_event references public.event_2023 (id));
create publication event_changes for table public.event with (publish_via_partition_root = true);
create publication event_2023_changes for table public.event_2023;

create view public.event_near as select day, id, words, amount from public.event where place <> 'far away';
create view public.event_2023_words as select id, words from public.event_2023;
create materialized view public.event_by_day as select day, count(*) as events from public.event group by day;
create unique index event_by_day_day on public.event_by_day (day);
create function public.event_count() returns bigint language sql stable
    begin atomic
        select count(*) from public.event;
    end;
grant select on public.event_near, public.event_by_day to catalog_reader;

comment on table public.event is 'the parent';
comment on column public.event.words is 'the words of the parent';
comment on table public.event_2023 is 'one partition';
comment on column public.event_2023.words is 'the words of one partition';
comment on index public.event_words is 'the index of the parent';
comment on index public.event_words_2023 is 'an index of one partition';
comment on constraint event_2023_id on public.event_2023 is 'a constraint of one partition';
comment on trigger event_2023_noted on public.event_2023 is 'a trigger of one partition';
