-- What public.item has beside everything.sql and everything_17.sql on PostgreSQL 18
-- and newer.
alter table public.item
    add column note_length int generated always as (length(note)) virtual,
    add column halved numeric generated always as (price / 2) virtual;

-- NOT NULL is a constraint with a name now.
create table ref.calendar_key (n int primary key);
alter table public.item rename constraint item_name_not_null to "name is there";
alter table public.item
    add constraint item_kind_there not null kind no inherit,
    add constraint item_tags_there not null tags not valid;
comment on constraint "name is there" on public.item is 'comment on a not-null constraint';

-- Constraints that nobody checks: the rows of the tests break both of them.
alter table public.item
    add constraint item_never_dear check (price < 1) not enforced,
    add constraint item_far_shop foreign key (shop_id) references ref.calendar_key (n) not enforced,
    add constraint item_short_note check (note_length < 1000);

-- Keys over time.
alter table public.item
    add constraint item_in_slot unique (reach, slot without overlaps),
    add constraint item_within_item foreign key (reach, period slot) references public.item (reach, period slot);
create table ref.slot_used (reach public.span, slot int4range);
alter table ref.slot_used
    add constraint slot_of_item foreign key (reach, period slot) references public.item (reach, period slot);
comment on constraint item_in_slot on public.item is 'comment on a key without overlaps';

-- Foreign keys in, of new kinds.
alter table ref.review
    add constraint review_item foreign key (item_id) references public.item not enforced;
alter table public.happening
    add constraint happening_item_later foreign key (item_id) references public.item on delete set null not valid;

create publication catalog_generated for table public.item with (publish_generated_columns = stored);
create view public.item_note_length as select id, note_length from public.item;
grant select (note_length) on public.item to catalog_analyst;
create index item_by_length on public.item (length(note));
