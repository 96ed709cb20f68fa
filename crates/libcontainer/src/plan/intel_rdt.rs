//! `linux.intelRdt`: which resource group of resctrl the container is in, and what is written there (config-linux.md, "IntelRdt").

use super::IntelRdt;
use crate::error::{Error, Result};
use crate::spec;

/// Names that resctrl uses itself.
const RESERVED: [&str; 4] = ["info", "mon_groups", "mon_data", ".."];

/// Decides. Without a class of service of its own, the container is in one that is called like it.
///
/// # Errors
/// A class that cannot be a directory's name, or a schema line without a resource.
pub fn intel_rdt(wanted: &spec::IntelRdt, id: &str) -> Result<IntelRdt> {
    let at = |name: &str| format!("/linux/intelRdt/{name}");
    let class = wanted.clos_id.as_deref();
    if let Some(name) = class.filter(|c| *c != "/") {
        if name.contains(['/', '\n', '\0'])
            || name == "."
            || RESERVED.contains(&name)
            || name.len() > 255
        {
            return Err(Error::invalid(
                at("closID"),
                format!("{name:?} is no name of a class of service"),
            )
            .hint(
                "it is one directory below the resctrl filesystem, or / for the filesystem itself",
            ));
        }
    } else if class.is_none() && RESERVED.contains(&id) {
        return Err(Error::invalid(
            "/linux/intelRdt",
            format!("the container's id {id} is no name of a class of service"),
        )
        .hint("set closID"));
    }
    let mut lines = Vec::new();
    let fields = [
        ("l3CacheSchema", &wanted.l3_cache_schema),
        ("memBwSchema", &wanted.mem_bw_schema),
    ];
    for (name, schema) in fields {
        let Some(schema) = schema else { continue };
        let bandwidth_elsewhere = name == "l3CacheSchema" && wanted.mem_bw_schema.is_some();
        let part = check_lines(schema, &at(name))?;
        lines.extend(
            part.filter(|l| !(bandwidth_elsewhere && l.starts_with("MB:")))
                .map(str::to_owned),
        );
    }
    for (i, schema) in wanted.schemata.iter().enumerate() {
        lines.extend(check_lines(schema, &at(&format!("schemata/{i}")))?.map(str::to_owned));
    }
    Ok(IntelRdt {
        class: class.map(str::to_owned),
        schemata: lines,
        monitoring: wanted.enable_monitoring,
    })
}

/// The lines of a schema, each of which names a resource and what the group gets of it: `L3:0=7f0;1=1f`.
///
/// # Errors
/// A line that does not.
pub fn check_lines<'a>(
    schema: &'a str,
    field: &str,
) -> Result<impl Iterator<Item = &'a str> + use<'a>> {
    let lines = move || schema.lines().map(str::trim).filter(|l| !l.is_empty());
    let bad = lines().find(|l| !matches!(l.split_once(':'), Some((resource, rest)) if !resource.trim().is_empty() && rest.contains('=')));
    match bad {
        Some(line) => Err(Error::invalid(
            field.to_owned(),
            format!("{line:?} is no line of a schema"),
        )
        .hint("such a line is like L3:0=7f0;1=1f or MB:0=20;1=70")),
        None if lines().any(|l| l.contains('\0')) => Err(Error::invalid(
            field.to_owned(),
            "a string must not contain a NUL byte",
        )),
        None => Ok(lines()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(class: Option<&str>, l3: &str, mb: &str, schemata: &[&str]) -> spec::IntelRdt {
        let text = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        spec::IntelRdt {
            clos_id: class.map(str::to_owned),
            l3_cache_schema: text(l3),
            mem_bw_schema: text(mb),
            schemata: schemata.iter().map(|s| (*s).to_owned()).collect(),
            enable_monitoring: false,
        }
    }

    #[test]
    fn lines_come_in_the_order_of_the_specification() {
        let plan = intel_rdt(
            &wanted(
                Some("/"),
                "L3:0=f\nMB:0=1\n",
                "MB:0=50",
                &["L2:0=1", "L3CODE:0=3\nL3DATA:0=3"],
            ),
            "c",
        )
        .unwrap();
        assert_eq!(
            plan.schemata,
            ["L3:0=f", "MB:0=50", "L2:0=1", "L3CODE:0=3", "L3DATA:0=3"]
        );
        assert_eq!(
            intel_rdt(&wanted(None, "L3:0=f\nMB:0=1", "", &[]), "c")
                .unwrap()
                .schemata,
            ["L3:0=f", "MB:0=1"]
        );
    }

    #[test]
    fn what_cannot_be_is_refused_at_its_field() {
        for (rdt, id, field) in [
            (wanted(Some("a/b"), "", "", &[]), "c", "/closID"),
            (wanted(Some(".."), "", "", &[]), "c", "/closID"),
            (wanted(Some("info"), "", "", &[]), "c", "/closID"),
            (wanted(None, "", "", &[]), "info", ""),
            (wanted(None, "L3", "", &[]), "c", "/l3CacheSchema"),
            (wanted(None, "", ":0=1", &[]), "c", "/memBwSchema"),
            (wanted(None, "", "", &["L3:0=1", "x"]), "c", "/schemata/1"),
        ] {
            let error = intel_rdt(&rdt, id).unwrap_err();
            assert_eq!(
                error.pointer(),
                Some(format!("/linux/intelRdt{field}").as_str()),
                "{error}"
            );
        }
    }
}
