//! The ways to load that are measured.

use serde::Serialize;

use super::peers::{PEERS, Peer};
use super::rows::Column;

/// What the table's columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lane {
    /// Of the types that were inferred: what has decimals is `numeric`.
    Typed,
    /// The same, with `double precision` for `numeric`.
    Doubles,
    /// All text.
    Text,
}

impl Lane {
    /// All, in the order of the tables.
    pub(crate) const ALL: [Self; 3] = [Self::Typed, Self::Doubles, Self::Text];

    /// Returns how a heading calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Typed => "typed",
            Self::Doubles => "typed, double precision",
            Self::Text => "all columns text",
        }
    }

    /// Returns the format of COPY in which ours sends rows.
    pub(crate) fn format(self, texts_are_long: bool) -> &'static str {
        match self {
            Self::Text if !texts_are_long => "text",
            Self::Typed | Self::Doubles | Self::Text => "binary",
        }
    }

    /// Returns the columns of a table in this lane: none if they are those that were inferred.
    pub(crate) fn columns(self, inferred: &[Column]) -> Option<Vec<Column>> {
        let of_type =
            |column: &Column, sql_type: &str| Column { sql_type: sql_type.to_owned(), ..column.clone() };
        let columns: Vec<Column> = inferred
            .iter()
            .map(|column| match self {
                Self::Doubles if column.sql_type == "numeric" => of_type(column, "double precision"),
                Self::Text => of_type(column, "text"),
                _ => column.clone(),
            })
            .collect();
        (columns != inferred).then_some(columns)
    }
}

/// Who loads, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// The server's COPY of one file that holds all rows: the limit.
    Limit,
    /// The server's COPY of one file that it has written itself, in the format in which ours
    /// sends rows: the least that they can cost it.
    Least,
    /// The server's COPY of each file.
    ServerFiles,
    /// `psql \copy` of the one file, or of each.
    Psql { each: bool },
    /// Our import of the objects, or of one object, into the staging table.
    Ours { one: bool },
    /// The same of the objects, with CSV sent on as it is, for the server to read.
    OursAsCsv,
    /// Ours from its input to the published table, in one process.
    OursWhole,
    /// Our import by the functions of `aws_s3`, which `curl` stands in for.
    AwsS3,
    /// The state machine and the Lambdas, on the emulator.
    StateMachine,
    /// What one writes in Python: boto3, psycopg2, COPY for each object.
    Python,
    /// Somebody else's loader.
    Peer(&'static Peer),
}

impl Way {
    /// Returns the name in tables, plots and bars.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Limit => "server COPY, one file".to_owned(),
            Self::Least => "server COPY, its own file".to_owned(),
            Self::ServerFiles => "server COPY, each file".to_owned(),
            Self::Psql { each: false } => "psql \\copy, one file".to_owned(),
            Self::Psql { each: true } => "psql \\copy, each file".to_owned(),
            Self::Ours { one: false } => "ours, stream".to_owned(),
            Self::Ours { one: true } => "ours, stream, one object".to_owned(),
            Self::OursAsCsv => "ours, stream as CSV".to_owned(),
            Self::OursWhole => "ours, input to published table".to_owned(),
            Self::AwsS3 => "ours, aws_s3 stand-in".to_owned(),
            Self::StateMachine => "ours, state machine on the emulator".to_owned(),
            Self::Python => "boto3 + psycopg2".to_owned(),
            Self::Peer(peer) => peer.title.to_owned(),
        }
    }

    /// Tells whether it reads one file or object that holds all rows.
    pub(crate) fn is_one_file(self) -> bool {
        matches!(self, Self::Limit | Self::Psql { each: false } | Self::Ours { one: true })
    }

    /// Tells whether it is ours.
    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Ours { .. } | Self::OursAsCsv | Self::OursWhole | Self::AwsS3 | Self::StateMachine
        )
    }

    /// Tells where it reads the rows from.
    pub(crate) fn reads(self) -> &'static str {
        match self {
            Self::Limit | Self::Least | Self::ServerFiles => "the server's disk",
            Self::Psql { .. } => "the client's disk",
            Self::Peer(peer) if !peer.reads_s3 => "the client's disk",
            _ => "S3",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// The Python way and what the server and its client can, and no peers.
    pub(crate) quick: bool,
    /// With others' loaders.
    pub(crate) peers: bool,
    /// With the state machine.
    pub(crate) full: bool,
}

/// Lists the ways to load many files, or a single one, in a lane. The limit is first.
pub(crate) fn ways(lane: Lane, files: usize, choice: Choice) -> Vec<Way> {
    let many = files > 1;
    let mut ways = vec![Way::Limit, Way::Least];
    if many {
        ways.push(Way::ServerFiles);
    }
    ways.push(Way::Ours { one: false });
    if many {
        ways.push(Way::Ours { one: true });
    }
    if !choice.quick {
        ways.push(Way::OursAsCsv);
    }
    if lane != Lane::Typed {
        return ways;
    }
    ways.push(Way::OursWhole);
    if !choice.quick {
        ways.push(Way::AwsS3);
    }
    if choice.full {
        ways.push(Way::StateMachine);
    }
    ways.push(Way::Psql { each: false });
    if many {
        ways.push(Way::Psql { each: true });
    }
    ways.push(Way::Python);
    if choice.peers {
        ways.extend(PEERS.iter().map(Way::Peer));
    }
    ways
}
