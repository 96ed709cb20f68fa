//! `--version`, in the lines that engines look for.

/// The text. The commit is what the build was told, if anything.
pub fn text() -> String {
    let commit = option_env!("TEU_COMMIT").unwrap_or("unknown");
    format!(
        "teu version {}\ncommit: {commit}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        libcontainer::spec::SPEC_VERSION
    )
}
