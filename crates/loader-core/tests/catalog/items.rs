//! The rows of `public.item`: other ones in each version.

/// The columns that the objects have; the others fill themselves.
const COLUMNS: [&str; 15] = [
    "id",
    "name",
    "Odd Name",
    "kind",
    "code",
    "size",
    "tags",
    "slot",
    "price",
    "region",
    "shop_id",
    "day",
    "parent_id",
    "external_no",
    "note",
];

/// One row, as text; an empty text is NULL.
type Row = [String; COLUMNS.len()];

/// All rows of one version.
pub(crate) struct Items {
    rows: Vec<Row>,
}

impl Items {
    /// Makes the rows of a version. Those that other tables refer to, 1 to 3, are in
    /// every version; all other values differ.
    pub(crate) fn of_version(version: usize) -> Self {
        let count = 20 + 7 * version;
        Self { rows: (1..=count).map(|id| row(version, id)).collect() }
    }

    /// Writes them as an object.
    pub(crate) fn csv(&self) -> String {
        let mut text = format!("{}\n", COLUMNS.join(","));
        for row in &self.rows {
            let fields: Vec<String> = row
                .iter()
                .map(|value| match value.as_str() {
                    "" => String::new(),
                    value => format!("\"{}\"", value.replace('"', "\"\"")),
                })
                .collect();
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }

    /// Writes the statement that inserts them.
    pub(crate) fn insert(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let values: Vec<String> = row
                    .iter()
                    .map(|value| match value.as_str() {
                        "" => "null".to_owned(),
                        value => format!("'{}'", value.replace('\'', "''")),
                    })
                    .collect();
                format!("({})", values.join(", "))
            })
            .collect();
        format!("insert into public.item ({}) values {}", quoted_columns(", "), rows.join(",\n"))
    }

    /// The query that gives the rows as [`rows`](Self::rows) has them.
    pub(crate) fn query() -> String {
        let columns: Vec<String> =
            COLUMNS.iter().map(|column| format!("coalesce(\"{column}\"::text, '')")).collect();
        format!("select array[{}] from public.item order by id", columns.join(", "))
    }

    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        self.rows.iter().map(|row| row.to_vec()).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// How many rows have a value in a column.
    pub(crate) fn count_with(&self, column: &str, value: &str) -> usize {
        self.values(column).filter(|found| *found == value).count()
    }

    /// The sum of the prices from `at_least` on, as Postgres writes it.
    pub(crate) fn total(&self, at_least: usize) -> String {
        let cents = self.cents().filter(|cents| *cents >= at_least * 100).sum::<usize>();
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    /// How many items are cheaper than that.
    pub(crate) fn cheaper_than(&self, limit: usize) -> usize {
        self.cents().filter(|cents| *cents < limit * 100).count()
    }

    fn cents(&self) -> impl Iterator<Item = usize> {
        self.values("price").map(|price| price.replace('.', "").parse::<usize>().unwrap())
    }

    fn values(&self, column: &str) -> impl Iterator<Item = &str> {
        let at = COLUMNS.iter().position(|name| *name == column).unwrap();
        self.rows.iter().map(move |row| row[at].as_str())
    }
}

fn quoted_columns(between: &str) -> String {
    COLUMNS.map(|column| format!("\"{column}\"")).join(between)
}

fn row(version: usize, id: usize) -> Row {
    let is_fixed = id <= 3;
    let (region, shop) = match id % 3 {
        0 => ("", ""),
        1 => ("north", "1"),
        _ => ("south", "2"),
    };
    [
        id.to_string(),
        if is_fixed { format!("fixed {id}") } else { format!("name {version}-{id}") },
        format!("odd, \"{version}\" 'n' {id}"),
        ["good", "bad", "so so"][(id + version) % 3].to_owned(),
        format!("code-{version}-{id}"),
        format!("({id}.50,kg)"),
        format!("{{v{version},\"of {id}\"}}"),
        // The first is what the keys over time of others refer to.
        format!("[{},{})", id * 10, id * 10 + if id == 1 { 5 } else { 1 + version }),
        format!("{}.{:02}", 10 + (id * 13) % 150, version),
        region.to_owned(),
        shop.to_owned(),
        format!("2024-01-{:02}", 1 + (id + version) % 28),
        if id > 1 { (id / 2).to_string() } else { String::new() },
        match id {
            1..=3 => format!("external {id}"),
            _ => format!("external {version}-{id}"),
        },
        format!("note {}", "n".repeat(version * 100)),
    ]
}
