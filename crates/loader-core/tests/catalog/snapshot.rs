//! What a database's catalog says, to be held against what it says later.

use std::fmt::Write as _;

use crate::dump;
use crate::world::World;

/// What `pg_dump --schema-only` does not write, and a replaced table may lose: the
/// tables that publications come to, which indexes work, which materialized views
/// are filled, and whether anything is left in the loader's schemas.
const BESIDE_THE_DUMP: &str = "
    select format('publication %I: %I.%I (%s) where %s', pubname, schemaname, tablename, attnames, rowfilter)
      from pg_publication_tables
     where schemaname not in ('loader', 'dataimport', 'databackup')
    union all
    select format('index %s: valid %s, ready %s, clustered %s, replica identity %s', indexrelid::regclass,
                  indisvalid, indisready, indisclustered, indisreplident)
      from pg_index
      join pg_class on pg_class.oid = indexrelid
     where relnamespace::regnamespace::text in ('public', 'ref')
    union all
    select format('materialized view %s: filled %s', oid::regclass, relispopulated)
      from pg_class
     where relkind = 'm' and relnamespace::regnamespace::text in ('public', 'ref')
    union all
    select format('constraint %I of %s: validated %s', conname, conrelid::regclass, convalidated)
      from pg_constraint
     where connamespace::regnamespace::text in ('public', 'ref') and conrelid <> 0
    union all
    select format('left in %s: %s', relnamespace::regnamespace, relname)
      from pg_class
     where relnamespace = to_regnamespace('dataimport') and relkind in ('r', 'p', 'v', 'm', 'S')
     order by 1";

/// A database's catalog at one moment.
pub(crate) struct Snapshot {
    dump: String,
    beside: Vec<String>,
}

impl Snapshot {
    pub(crate) async fn take(world: &World) -> Self {
        let rows = world.client.query(BESIDE_THE_DUMP, &[]).await.unwrap();
        Self {
            dump: dump::schema(world.database.url()).await,
            beside: rows.iter().map(|row| row.get(0)).collect(),
        }
    }

    /// Takes another snapshot and says all that differs.
    pub(crate) async fn unchanged(&self, world: &World, since: &str) -> Result<(), String> {
        let now = Self::take(world).await;
        let mut differences = dump::difference(&self.dump, &now.dump).unwrap_or_default();
        for (lines, others, mark) in [(&self.beside, &now.beside, '-'), (&now.beside, &self.beside, '+')] {
            for line in lines.iter().filter(|line| !others.contains(line)) {
                let _ = writeln!(differences, "  {mark} {line}");
            }
        }
        if differences.is_empty() {
            Ok(())
        } else {
            Err(format!("{since}, the catalog is another:\n\n{differences}"))
        }
    }

    /// Takes another snapshot and fails with all that differs.
    pub(crate) async fn assert_unchanged(&self, world: &World, since: &str) {
        if let Err(difference) = self.unchanged(world, since).await {
            panic!("{difference}");
        }
    }

    /// Whether the dump holds a line.
    pub(crate) fn has(&self, part: &str) -> bool {
        self.dump.contains(part)
    }
}
