//! What a suite is: cases, each a definition and objects with what must come of them.

use std::path::Path;

use crate::outcome::Published;

/// A suite of cases that others wrote.
pub trait Suite: Send + Sync {
    /// Returns its name, which is the name of its folder below the data too.
    fn name(&self) -> &'static str;

    /// Returns the share of its cases that must be right, from 0 to 1.
    fn bar(&self) -> f64;

    /// Reads its cases from the folder of all suites' data.
    ///
    /// # Errors
    /// A file that the suite can't do without is missing or can't be read.
    fn cases(&self, data: &Path) -> anyhow::Result<Cases>;

    /// Says what there is to say of all cases together, such as the score of the suite's
    /// own metric: lines that stand below its table. `measured` has the names of the
    /// cases with what [`Case::metric`] says of them.
    ///
    /// # Errors
    /// A file that it needs can't be read.
    fn remarks(&self, _data: &Path, _measured: &[(&str, f64)]) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Measures what was published, if anything was, by the suite's own metric.
pub type Metric = fn(&Case, Option<&Published>) -> f64;

/// The cases of a suite.
#[derive(Debug, Clone, Default)]
pub struct Cases {
    /// Those that are loaded.
    pub cases: Vec<Case>,
    /// Those that are not.
    pub left_out: Vec<LeftOut>,
}

impl Cases {
    /// Leaves a case out.
    pub fn leave_out(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.left_out.push(LeftOut { name: name.into(), why: why.into() });
    }
}

/// A case that is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why, in words that are the same for all cases of the kind: they are counted.
    pub why: String,
}

/// A case: what is loaded, and what must come of it.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// Its name: one line, unique in its suite, without a machine's paths.
    pub name: String,
    /// Statements before the load, such as `create table public.t (…)`.
    pub setup: Vec<String>,
    /// Statements `copy … from stdin` after those, each with its data: what Postgres
    /// reads by itself, for [`Expected::SameAs`].
    pub copies: Vec<(String, Vec<u8>)>,
    /// The table that is loaded.
    pub table: String,
    /// The definition: what the input of an execution has beside the table.
    pub definition: serde_json::Value,
    /// The objects: keys below `<table>/` unless the definition has a prefix, and bytes.
    pub objects: Vec<(String, Vec<u8>)>,
    /// A query over the live table whose rows are compared, instead of the table's own;
    /// each of its columns is compared as text.
    pub query: Option<String>,
    /// What must come of it.
    pub expected: Expected,
    /// What measures it beside, where the suite has a metric of its own.
    pub metric: Option<Metric>,
    /// What a reader of a miss should know, such as the statement that it was made of.
    pub notes: Vec<String>,
}

/// What must come of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expected {
    /// These rows are published.
    Rows {
        /// The columns, which must be there, and no others; none compares the columns
        /// in the table's order, whatever their names.
        columns: Option<Vec<String>>,
        /// The values as text; none is NULL.
        rows: Vec<Vec<Option<String>>>,
        /// Whether the order of the rows is compared.
        ordered: bool,
        /// How values are compared.
        compare: Compare,
    },
    /// These rows are published, and others are rejected.
    RowsAndRejects {
        /// As in [`Expected::Rows`].
        columns: Option<Vec<String>>,
        /// As in [`Expected::Rows`].
        rows: Vec<Vec<Option<String>>>,
        /// As in [`Expected::Rows`].
        ordered: bool,
        /// As in [`Expected::Rows`].
        compare: Compare,
        /// How many rows are rejected; none for any number but 0.
        rejects: Option<u64>,
    },
    /// Every row that is published is one of these, most of them are, and what lacks is
    /// rejected: for objects with records that nobody can be sure of.
    Accounted {
        /// As in [`Expected::Rows`].
        columns: Option<Vec<String>>,
        /// As in [`Expected::Rows`].
        rows: Vec<Vec<Option<String>>>,
        /// As in [`Expected::Rows`].
        compare: Compare,
        /// How many of them must be there, whatever is rejected.
        at_least: usize,
    },
    /// The same rows are published as this query returns, and so many rows are
    /// rejected: Postgres itself says what is right.
    SameAs {
        /// The query; its columns are compared as text, in their order.
        query: String,
        /// How many rows are rejected; none for any number.
        rejects: Option<u64>,
    },
    /// One of these comes of it, each as good as the others: for objects that can be
    /// read in more than one way.
    AnyOf(Vec<Expected>),
    /// So many rows are published.
    RowCount(u64),
    /// The load is refused, or rows of it are rejected; the error contains all of these,
    /// in any case of their letters.
    Refused {
        /// Parts of the error.
        contains: Vec<String>,
    },
    /// It is published without a reject; the suite does not say what the rows are.
    Published,
    /// It is loaded or refused: nothing breaks, nothing hangs.
    #[default]
    Loads,
}

/// How values are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compare {
    /// The texts that Postgres has for the values are the same.
    #[default]
    Exact,
    /// Numbers, booleans, dates and times are compared as what they are: 5.50 is 5.5,
    /// `true` is `t`, a timestamp at midnight is one without a time.
    Values,
    /// As values, and an empty text is NULL: for suites that can't tell them apart.
    ValuesOrEmpty,
    /// As values, where the suite's reader has inferred the types: a text that is as it
    /// stands in the object is the value that the other reader made of it. `1/2/2020` is
    /// 2020-02-01, `007` is 7 (and never the other way round).
    Inferred,
}
