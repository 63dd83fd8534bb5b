//! What is made so far of a schema.

use proptest::sample::Index;

use super::column::{Column, quoted};

/// The statements so far, and what later things can build on.
pub(super) struct Made<'a> {
    pub(super) table: String,
    columns: &'a [Column],
    statements: Vec<String>,
    /// The table, and views with its columns.
    pub(super) relations: Vec<String>,
    /// Indexes that can be the replica identity or the cluster's order.
    pub(super) unique_indexes: Vec<String>,
    pub(super) plain_indexes: Vec<String>,
    pub(super) has_primary_key: bool,
    pub(super) has_key_of_number: bool,
    pub(super) has_other_owner: bool,
    number: usize,
}

impl<'a> Made<'a> {
    pub(super) fn new(table: String, columns: &'a [Column]) -> Self {
        Self {
            relations: vec![table.clone()],
            table,
            columns,
            statements: Vec::new(),
            unique_indexes: Vec::new(),
            plain_indexes: Vec::new(),
            has_primary_key: false,
            has_key_of_number: false,
            has_other_owner: false,
            number: 0,
        }
    }

    pub(super) fn add(&mut self, statement: String) {
        self.statements.push(statement);
    }

    pub(super) fn statements(self) -> Vec<String> {
        self.statements
    }

    pub(super) fn alter(&mut self, what: &str) {
        self.add(format!("alter table {} {what}", self.table));
    }

    /// A name that nothing has yet; every third one is odd.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.number += 1;
        match self.number % 3 {
            0 => quoted(&format!("Odd {kind} \"{}\"", self.number)),
            _ => quoted(&format!("{kind}_{}", self.number)),
        }
    }

    pub(super) fn column(&self, pick: Index) -> &'a Column {
        pick.get(self.columns)
    }

    pub(super) fn ordered_column(&self, pick: Index) -> Option<&'a Column> {
        Some(self.column(pick)).filter(|column| column.of.has_order)
    }

    /// Lets other tables refer to the number.
    pub(super) fn ensure_key_of_number(&mut self) {
        if !self.has_key_of_number {
            let name = self.name("number");
            self.alter(&format!("add constraint {name} unique (n)"));
            self.unique_indexes.push(name);
            self.has_key_of_number = true;
        }
    }
}
