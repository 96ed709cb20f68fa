//! The table of tests: what each one is called, which sentence it stands for, what it needs, and how it is made.

use crate::check::Verdict;
use crate::context::Context;
use crate::host::Need;
use std::time::Duration;

/// The body of a test.
pub type Body = Box<dyn Fn(&mut Context) -> Verdict + Send + Sync>;

/// One test.
pub struct Test {
    /// `group/name`, unique.
    pub name: String,
    /// The part before the slash.
    pub group: &'static str,
    /// `document#section LEVEL: the sentence`, or `engines: ...` for what callers of a runtime rely on.
    pub requirement: String,
    /// What the machine must have; the test is skipped where something is missing.
    pub needs: Vec<Need>,
    /// The specification or runtime version that brought the feature, when runtimes in use may be older.
    pub newer: Option<&'static str>,
    /// The published holes that it would have found, when its name does not tell.
    pub guards: Option<&'static str>,
    /// Why the test stands although every runtime at hand fails it.
    pub justification: Option<&'static str>,
    /// It is about something that the machine has once: it runs before the others, by itself.
    pub alone: bool,
    /// How long the whole test may take.
    pub deadline: Duration,
    /// What it does.
    pub body: Body,
}

impl Test {
    /// Adds what the test needs of the machine.
    pub fn needs(&mut self, needs: &[Need]) -> &mut Test {
        self.needs.extend_from_slice(needs);
        self
    }

    /// Marks a feature that runtimes in use may be too old for.
    pub fn newer(&mut self, version: &'static str) -> &mut Test {
        self.newer = Some(version);
        self
    }

    /// Says why the test is right although every runtime at hand fails it.
    pub fn justified(&mut self, reason: &'static str) -> &mut Test {
        self.justification = Some(reason);
        self
    }

    /// Lets the test run before the others, by itself.
    pub fn alone(&mut self) -> &mut Test {
        self.alone = true;
        self
    }

    /// Gives the test more time than the usual limit.
    pub fn seconds(&mut self, seconds: u64) -> &mut Test {
        self.deadline = Duration::from_secs(seconds);
        self
    }
}

impl Test {
    /// Whether it belongs to a group: its own, or `security` when it stands for a published hole.
    pub fn is_in(&self, group: &str) -> bool {
        self.group == group || (group == "security" && self.guards.is_some())
    }
}

/// All tests, in the order in which they were added.
#[derive(Default)]
pub struct Table {
    group: &'static str,
    /// The tests.
    pub tests: Vec<Test>,
}

impl Table {
    /// Tests added from here on belong to `group`.
    pub fn group(&mut self, group: &'static str) {
        self.group = group;
    }

    /// Says which published holes a test that is there already would have found.
    pub fn guards(&mut self, name: &str, holes: &'static str) {
        let test = self.tests.iter_mut().find(|test| test.name == name);
        test.unwrap_or_else(|| panic!("no test is called {name}"))
            .guards = Some(holes);
    }

    /// Adds a test. A name may be used once.
    pub fn add(
        &mut self,
        name: impl AsRef<str>,
        requirement: impl Into<String>,
        body: impl Fn(&mut Context) -> Verdict + Send + Sync + 'static,
    ) -> &mut Test {
        let name = format!("{}/{}", self.group, name.as_ref());
        assert!(
            self.tests.iter().all(|t| t.name != name),
            "two tests are called {name}"
        );
        self.tests.push(Test {
            name,
            group: self.group,
            requirement: requirement.into(),
            needs: Vec::new(),
            newer: None,
            guards: None,
            justification: None,
            alone: false,
            deadline: Duration::from_secs(30),
            body: Box::new(body),
        });
        self.tests.last_mut().expect("just pushed")
    }
}
