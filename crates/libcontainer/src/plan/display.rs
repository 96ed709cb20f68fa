//! A plan as people read it: one line for each thing that is done, by whom, and the field that asked for it.

use super::{Plan, namespaces};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.cgroup.to_string().lines() {
            writeln!(f, "parent  {line}")?;
        }
        let kinds = namespaces::names(self.program.clone_flags);
        writeln!(f, "parent  clone3 with new namespaces ({kinds})")?;
        if let Some(maps) = &self.id_maps {
            let (uid, gid) = (maps.uid.trim_end(), maps.gid.trim_end());
            writeln!(f, "parent  map users {uid:?} and groups {gid:?}")?;
        }
        for (who, steps) in [
            ("stage", &self.program.stage),
            ("child", &self.program.steps),
        ] {
            for step in steps {
                write!(f, "{who:7} {}", step.op)?;
                match &*step.field {
                    "" => writeln!(f)?,
                    field => writeln!(f, "  <- {field}")?,
                }
            }
        }
        for warning in &self.warnings {
            writeln!(f, "warning {warning}")?;
        }
        Ok(())
    }
}
