//! The state machines as their definitions say them.

use serde_json::{Map, Value};

use crate::project::{ASL, Project, ROLLBACK_ASL};

/// The definitions, and what the template calls their state machines.
const MACHINES: [(&str, &str); 2] = [(ASL, "LoadStateMachine"), (ROLLBACK_ASL, "RollbackStateMachine")];

/// A state machine.
pub(crate) struct StateMachine {
    /// The definition's file.
    pub(crate) path: &'static str,
    /// The logical id.
    pub(crate) id: &'static str,
    definition: Value,
}

/// States that can follow one another: the machine's, or those of a Map.
pub(crate) struct Scope<'a> {
    pub(crate) start: &'a str,
    pub(crate) states: Vec<State<'a>>,
}

/// A state.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    pub(crate) name: &'a str,
    pub(crate) body: &'a Value,
    /// Whether it is a state of a Map.
    pub(crate) in_map: bool,
}

/// A way from one state to another.
pub(crate) struct Way<'a> {
    pub(crate) to: &'a str,
    /// The variables that are assigned on it.
    pub(crate) assigns: Option<&'a Map<String, Value>>,
}

impl StateMachine {
    /// Reads all of them.
    pub(crate) fn all(project: &Project) -> [Self; 2] {
        MACHINES.map(|(path, id)| Self {
            path,
            id,
            definition: serde_json::from_str(project.text(path)).expect("the definition is JSON"),
        })
    }

    /// Returns the machine's own scope and those of its Maps.
    pub(crate) fn scopes(&self) -> Vec<Scope<'_>> {
        let mut scopes = Vec::new();
        let mut open = vec![(&self.definition, false)];
        while let Some((flow, in_map)) = open.pop() {
            let states: Vec<State<'_>> = flow["States"]
                .as_object()
                .expect("a flow has states")
                .iter()
                .map(|(name, body)| State { name, body, in_map })
                .collect();
            open.extend(states.iter().filter_map(|state| Some((state.body.get("ItemProcessor")?, true))));
            scopes.push(Scope { start: flow["StartAt"].as_str().expect("a flow starts somewhere"), states });
        }
        scopes
    }

    /// Returns every state.
    pub(crate) fn states(&self) -> Vec<State<'_>> {
        self.scopes().into_iter().flat_map(|scope| scope.states).collect()
    }

    /// Returns every Task.
    pub(crate) fn tasks(&self) -> Vec<State<'_>> {
        self.states().into_iter().filter(|state| state.kind() == "Task").collect()
    }

    /// Returns a state.
    pub(crate) fn state(&self, name: &str) -> State<'_> {
        self.states()
            .into_iter()
            .find(|state| state.name == name)
            .unwrap_or_else(|| panic!("there is no state {name}"))
    }

    /// Returns every text of the definition.
    pub(crate) fn texts(&self) -> Vec<&str> {
        texts(&self.definition)
    }
}

impl<'a> State<'a> {
    pub(crate) fn kind(&self) -> &'a str {
        self.body["Type"].as_str().expect("a state has a type")
    }

    pub(crate) fn catches(&self) -> &'a [Value] {
        self.body.get("Catch").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Returns the names of the errors that are tried again in place.
    pub(crate) fn retried(&self) -> Vec<&'a str> {
        let rules = self.body.get("Retry").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        rules.iter().flat_map(|rule| texts(&rule["ErrorEquals"])).collect()
    }

    /// Returns the function that a Task calls, as `PlanBatches`.
    pub(crate) fn function(&self) -> Option<&'a str> {
        let name = self.body.pointer("/Arguments/FunctionName")?.as_str()?;
        name.strip_prefix("${")?.strip_suffix("FunctionArn}")
    }

    /// Returns whether it is a Map whose children are executions of their own.
    pub(crate) fn is_distributed(&self) -> bool {
        self.body.pointer("/ItemProcessor/ProcessorConfig/Mode").is_some_and(|mode| mode == "DISTRIBUTED")
    }

    /// Returns where it can go from here.
    pub(crate) fn ways(&self) -> Vec<Way<'a>> {
        let own = std::iter::once(self.body);
        let choices = self.body.get("Choices").and_then(Value::as_array).into_iter().flatten();
        let mut ways: Vec<Way<'a>> = own
            .chain(choices)
            .chain(self.catches())
            .filter_map(|place| {
                let assigns = place.get("Assign").and_then(Value::as_object);
                Some(Way { to: place.get("Next")?.as_str()?, assigns })
            })
            .collect();
        let default = self.body.get("Default").and_then(Value::as_str);
        ways.extend(default.map(|to| Way { to, assigns: None }));
        ways
    }

    /// Returns the `JSONata` expressions of the state itself, without those of the
    /// states in it.
    pub(crate) fn expressions(&self) -> Vec<&'a str> {
        let fields = self.body.as_object().expect("a state is an object");
        let own = fields.iter().filter(|(name, _)| *name != "ItemProcessor");
        own.flat_map(|(_, value)| texts(value)).filter_map(expression).collect()
    }
}

/// Returns the expression in `{% … %}`.
pub(crate) fn expression(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

/// Returns every text in a value.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
