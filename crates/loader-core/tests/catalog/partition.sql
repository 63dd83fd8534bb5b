-- A live table that is a partition, public.year_2022 of public.year: the parent, its
-- other partitions, and all that hangs on the parent stay as they are.
alter default privileges grant insert on tables to catalog_stranger;

create schema ref;
create table ref.station (name text primary key);
insert into ref.station values ('A1'), ('B2');
create function public.noted() returns trigger language plpgsql as $$ begin return new; end $$;

create table public.year (
    day date not null,
    station text not null default 'A1',
    degrees numeric(4, 1),
    constraint year_degrees check (degrees > -100)
) partition by range (day);
create table public.year_2021 partition of public.year for values from ('2021-01-01') to ('2022-01-01');
create table public.year_2022 (
    gone int,
    degrees numeric(4, 1) default 0,
    station text not null default 'B2',
    day date not null,
    fahrenheit numeric,
    constraint year_degrees check (degrees > -100),
    constraint year_2022_only check (day < '2023-01-01' and station <> '')
) with (fillfactor = 60);
alter table public.year_2022 drop column gone, drop column fahrenheit;
alter table public.year attach partition public.year_2022 for values from ('2022-01-01') to ('2023-01-01');
create table public.year_rest partition of public.year default;
insert into public.year (day, station, degrees)
    values ('2021-05-05', 'A1', 1), ('2022-05-05', 'A1', 2), ('1999-05-05', 'A1', 3);

alter table public.year add constraint "year key" primary key (day, station);
alter table public.year add constraint year_station foreign key (station) references ref.station;
create index year_degrees on public.year (degrees desc, station text_pattern_ops);
create index year_2022_warm on public.year_2022 (degrees) where degrees > 20;
alter table public.year_2022 add constraint year_2022_once unique (day, station, degrees);
alter index public.year_2022_degrees_station_idx rename to "degrees of 2022";
create trigger year_noted after insert or update on public.year for each row execute function public.noted();
create trigger year_2022_noted before insert on public.year_2022 for each row execute function public.noted();
alter table public.year_2022 disable trigger year_noted;

alter table public.year owner to catalog_owner;
alter table public.year_2022 owner to catalog_granter;
revoke all on public.year, public.year_2022 from catalog_stranger;
grant select on public.year to catalog_reader;
grant select on public.year_2022 to catalog_analyst with grant option;
alter table public.year enable row level security;
create policy year_seen on public.year to catalog_reader using (station = 'A1');
create table ref.reading (
    day date, station text,
    constraint reading_year foreign key (day, station) references public.year
);
create table ref.reading_2022 (
    day date, station text,
    constraint reading_year_2022 foreign key (day, station) references public.year_2022 on delete cascade
);
insert into ref.reading values ('2021-05-05', 'A1'), ('2022-05-05', 'A1');
insert into ref.reading_2022 values ('2022-05-05', 'A1');
create publication year_changes for table public.year with (publish_via_partition_root = true);
create view public.year_mean as select station, avg(degrees) as degrees from public.year group by station;
create view public.year_2022_warm_days with (security_invoker = true) as
    select day, station from public.year_2022 where degrees > 20;
create materialized view public.year_2022_best as select max(degrees) as degrees from public.year_2022;
create statistics public.year_2022_where on station, degrees from public.year_2022;
alter table public.year_2022 replica identity using index year_2022_pkey;
grant select on public.year_mean, public.year_2022_warm_days to catalog_reader;
comment on table public.year_2022 is 'the partition that is replaced';
comment on column public.year_2022.degrees is 'of the partition';
comment on constraint year_2022_only on public.year_2022 is 'a check of the partition';
comment on index public."degrees of 2022" is 'an index under the one of the parent';
