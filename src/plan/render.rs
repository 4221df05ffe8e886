//! A plan as text and as JSON: what a run would do, step by step. Pure.

use std::{borrow::Cow, fmt::Write};

use serde_json::{Value, json};

use super::{Plan, Step};
use crate::redact::mask;

/// Whether a step is done already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is nothing to do.
    Done,
    /// What would be done.
    Todo(String),
}

/// The graphs of a run, and what is known of each step.
#[derive(Debug, Default)]
pub struct Foreseen {
    /// Name of the compose project, where there is one.
    pub project: Option<String>,
    graphs: Vec<(Plan, Vec<Verdict>)>,
}

impl Foreseen {
    /// Adds a graph, with a verdict for each of its steps.
    pub fn add(&mut self, plan: Plan, verdicts: Vec<Verdict>) {
        self.graphs.push((plan, verdicts));
    }

    fn steps(&self) -> impl Iterator<Item = (&Step, &Verdict)> {
        self.graphs.iter().flat_map(|(plan, verdicts)| plan.steps.iter().zip(verdicts))
    }

    fn warnings(&self) -> impl Iterator<Item = &String> {
        self.graphs.iter().flat_map(|(plan, _)| &plan.warnings)
    }

    /// For people: a line for each step that is not done.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut changes = 0;
        for (step, verdict) in self.steps() {
            if let Verdict::Todo(what) = verdict {
                let waits = step.action.is_wait();
                changes += usize::from(!waits);
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{} {:<32} {what}", if waits { ' ' } else { '+' }, step.name);
            }
        }
        for warning in self.warnings() {
            let _ = writeln!(text, "! {warning}");
        }
        let project = self.project.as_deref().map(|name| format!("project {name}: ")).unwrap_or_default();
        let _ = match changes {
            0 => writeln!(text, "{project}nothing to do"),
            1 => writeln!(text, "{project}1 step would change something"),
            n => writeln!(text, "{project}{n} steps would change something"),
        };
        mask(&text).into_owned()
    }

    /// For machines.
    pub fn json(&self) -> String {
        let mut steps: Vec<Value> = Vec::new();
        for (plan, verdicts) in &self.graphs {
            for (index, (step, verdict)) in plan.steps.iter().zip(verdicts).enumerate() {
                let needs: Vec<Cow<'_, str>> = plan.graph.needs(index).map(|n| mask(&plan.steps[n].name)).collect();
                let would = match verdict {
                    Verdict::Done => None,
                    Verdict::Todo(what) => Some(mask(what)),
                };
                steps.push(json!({
                    "id": step.id,
                    "name": mask(&step.name),
                    "needs": needs,
                    "waits": step.action.is_wait(),
                    "deadline_seconds": step.deadline.as_secs(),
                    "done": would.is_none(),
                    "would": would,
                }));
            }
        }
        let warnings: Vec<Cow<'_, str>> = self.warnings().map(|text| mask(text)).collect();
        let document = json!({ "project": self.project, "steps": steps, "warnings": warnings });
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}
