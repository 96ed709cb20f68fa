//! A black-box conformance suite for OCI runtimes: it drives any runtime through its command line and compares what
//! happens with the OCI runtime specification and with what container engines rely on.

mod args;
mod check;
mod config;
mod context;
mod host;
mod inside;
mod leaks;
mod patience;
mod reaper;
mod report;
mod runtime;
mod schedule;
mod sentinel;
mod table;
mod terminal;
mod tests;
mod view;
mod worker;
mod workload;

use args::Options;
use report::column::Column;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use table::Test;

/// The program inside the containers, built by build.rs.
static PAYLOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/payload"));

fn main() -> ExitCode {
    let options = match args::parse(std::env::args().skip(1).collect()) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{}", text.trim_end());
            return ExitCode::from(2);
        }
    };
    match dispatch(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("spec-tests: {error}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(options: &Options) -> io::Result<bool> {
    patience::set(options.patience);
    if let Some((view, command)) = &options.view {
        return Err(run_in_view(view, command));
    }
    let table = tests::all();
    if let Some(name) = &options.worker {
        return run_worker(&table.tests, name, options);
    }
    let chosen: Vec<&Test> = table
        .tests
        .iter()
        .filter(|test| is_chosen(test, options))
        .collect();
    if options.list {
        for test in &chosen {
            println!("{}\n    {}", test.name, test.requirement);
            if let Some(holes) = test.guards {
                println!("    {holes}");
            }
        }
        println!("{} tests", chosen.len());
        return Ok(true);
    }
    if !options.join.is_empty() {
        return join(&chosen, options);
    }
    run_suite(&chosen, options)
}

/// Replaces this process with the command; comes back only with an error.
fn run_in_view(view: &str, command: &[String]) -> io::Error {
    let Some((program, args)) = command.split_first() else {
        return io::Error::other("--view needs a command after --");
    };
    let entered = view::View::parse(view)
        .map_err(io::Error::other)
        .and_then(view::enter);
    entered.map_or_else(|error| error, |()| Command::new(program).args(args).exec())
}

fn run_worker(tests: &[Test], name: &str, options: &Options) -> io::Result<bool> {
    let test = tests
        .iter()
        .find(|test| test.name == name)
        .ok_or_else(|| io::Error::other("no such test"))?;
    let runtime = options.runtimes[0].clone();
    let errand = worker::Errand {
        runtime,
        systemd: options.systemd,
        full: options.full,
        tag: &options.tag,
        dir: &options.dir,
        payload: &options.payload,
    };
    worker::work(test, errand).map(|()| true)
}

fn is_chosen(test: &Test, options: &Options) -> bool {
    (options.groups.is_empty() || options.groups.iter().any(|group| test.is_in(group)))
        && (options.filters.is_empty()
            || options
                .filters
                .iter()
                .any(|filter| test.name.contains(filter.as_str())))
}

fn run_suite(chosen: &[&Test], options: &Options) -> io::Result<bool> {
    if chosen.is_empty() {
        return Err(io::Error::other("no test has such a name"));
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let base = make_base()?;
    let outcomes = schedule::run(chosen, options, &base, |outcome| {
        report::console::line(chosen, options, outcome)
    });
    if !options.keep {
        std::fs::remove_dir_all(&base)?;
    }
    let outcomes = outcomes?;
    let report = report::Report {
        tests: chosen,
        runtimes: &options.runtimes,
        outcomes: &outcomes,
    };
    if let Some(file) = &options.tap {
        std::fs::write(file, report::tap::render(&report))?;
    }
    if let Some(file) = &options.junit {
        std::fs::write(file, report::junit::render(&report))?;
    }
    if let Some(file) = &options.markdown {
        let columns = Column::of_report(&report);
        std::fs::write(file, report::matrix::markdown(chosen, &columns))?;
    }
    if !options.compare {
        return Ok(report::console::sum(&report));
    }
    print!("{}", report::matrix::text(&report));
    let unjustified = report::matrix::unjustified(&report);
    for name in &unjustified {
        println!("every runtime fails {name}, and it does not say why it stands");
    }
    report::console::sum(&report);
    Ok(unjustified.is_empty())
}

/// The matrix of several runs, made in different places.
fn join(chosen: &[&Test], options: &Options) -> io::Result<bool> {
    let file = options
        .markdown
        .as_ref()
        .ok_or_else(|| io::Error::other("--join needs --markdown"))?;
    let mut columns = Vec::new();
    for report in &options.join {
        Column::add_tap(&mut columns, report)?;
    }
    std::fs::write(file, report::matrix::markdown(chosen, &columns)).map(|()| true)
}

/// The folder of the run, with the payload in it.
fn make_base() -> io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let base = std::env::temp_dir().join(format!("spec-tests-{}", std::process::id()));
    std::fs::create_dir(&base)?;
    let payload = base.join("payload");
    std::fs::write(&payload, PAYLOAD)?;
    for path in [&base as &Path, &payload] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(base)
}
