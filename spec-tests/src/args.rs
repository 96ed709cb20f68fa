//! The command line of the suite.

use crate::runtime::Runtime;
use std::path::PathBuf;

/// What `--help` prints.
pub const USAGE: &str = "\
usage: spec-tests [options] [filter]...
       spec-tests --view v1|v2|host -- COMMAND...

Runs the conformance tests whose name contains one of the filters.

  --runtime [NAME=]PATH[,oci-version=V][,view=v1|v2|host][,arg=A][,without=ERRNO[:CALL+CALL]]...
                     a runtime under test; may be repeated; default $RUNTIME. With without= new system calls
                     (or the named ones) fail with ENOSYS or EPERM for it; a test then passes, too, when the
                     runtime refuses and names such a call
  --group A,B        only these groups
  --filter TEXT      the same as a bare filter
  --jobs N           tests at a time (default: the number of CPUs)
  --full             races at full length: 500 runs and 20,000 swaps each
  --patience N       wait N times as long as usual before something counts as hung: for slow machines
  --systemd-cgroup   pass --systemd-cgroup and systemd cgroup paths
  --list             print the tests and what each stands for
  --tap FILE         write a TAP 13 report
  --junit FILE       write a JUnit report
  --markdown FILE    write the conformance matrix
  --compare          print the matrix: which runtime passes what; fails only when all of several runtimes fail a
                     test that does not say why it stands
  --join PLACE=FILE  run nothing: the matrix of earlier TAP reports, each with the name of where it was made
  --quiet            print failures and the sum only
  --keep             keep the folders of the tests
  --view             run a command in a private mount namespace with a pure cgroup v1 or v2 view
";

/// The parsed command line.
#[derive(Default)]
pub struct Options {
    /// The runtimes under test.
    pub runtimes: Vec<Runtime>,
    /// Substrings of test names; none means all.
    pub filters: Vec<String>,
    /// Groups; none means all.
    pub groups: Vec<String>,
    /// Tests at a time.
    pub jobs: usize,
    /// `--full`.
    pub full: bool,
    /// `--join`.
    pub join: Vec<String>,
    /// `--patience`: how many times the usual limits; 0 is 1.
    pub patience: u32,
    /// `--systemd-cgroup`.
    pub systemd: bool,
    /// `--list`.
    pub list: bool,
    /// `--compare`.
    pub compare: bool,
    /// `--quiet`.
    pub quiet: bool,
    /// `--keep`.
    pub keep: bool,
    /// Where the TAP report goes.
    pub tap: Option<PathBuf>,
    /// Where the JUnit report goes.
    pub junit: Option<PathBuf>,
    /// Where the matrix goes.
    pub markdown: Option<PathBuf>,
    /// `--view V -- COMMAND`.
    pub view: Option<(String, Vec<String>)>,
    /// Internal: the test a worker runs.
    pub worker: Option<String>,
    /// Internal: the worker's tag.
    pub tag: String,
    /// Internal: the worker's folder.
    pub dir: PathBuf,
    /// Internal: the payload.
    pub payload: PathBuf,
}

/// Parses the arguments after the program's name.
pub fn parse(args: Vec<String>) -> Result<Options, String> {
    let mut options = Options {
        jobs: cpus(),
        ..Options::default()
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (flag, mut inline) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => {
                (flag.to_string(), Some(value.to_string()))
            }
            _ => (arg, None),
        };
        let mut value = || {
            inline
                .take()
                .or_else(|| args.next())
                .ok_or_else(|| format!("{flag} needs a value"))
        };
        match flag.as_str() {
            "--runtime" => options.runtimes.push(Runtime::parse(&value()?)?),
            "--group" => options
                .groups
                .extend(value()?.split(',').map(str::to_string)),
            "--filter" => options.filters.push(value()?),
            "--jobs" => {
                options.jobs = value()?
                    .parse()
                    .map_err(|_| "--jobs needs a number".to_string())?
            }
            "--full" => options.full = true,
            "--patience" => {
                options.patience = value()?
                    .parse()
                    .map_err(|_| "--patience needs a number".to_string())?
            }
            "--systemd-cgroup" => options.systemd = true,
            "--list" => options.list = true,
            "--compare" => options.compare = true,
            "--quiet" => options.quiet = true,
            "--keep" => options.keep = true,
            "--join" => options.join.push(value()?),
            "--tap" => options.tap = Some(value()?.into()),
            "--junit" => options.junit = Some(value()?.into()),
            "--markdown" => options.markdown = Some(value()?.into()),
            "--worker" => options.worker = Some(value()?),
            "--tag" => options.tag = value()?,
            "--dir" => options.dir = value()?.into(),
            "--payload" => options.payload = value()?.into(),
            "--view" => {
                let view = value()?;
                let command = args.by_ref().skip_while(|arg| arg == "--").collect();
                options.view = Some((view, command));
            }
            "--help" | "-h" => return Err(USAGE.to_string()),
            other if other.starts_with('-') => {
                return Err(format!("unknown option {other}\n{USAGE}"));
            }
            filter => options.filters.push(filter.to_string()),
        }
    }
    if options.runtimes.is_empty()
        && !options.list
        && options.view.is_none()
        && options.join.is_empty()
    {
        let runtime = std::env::var("RUNTIME")
            .map_err(|_| format!("no --runtime and no $RUNTIME\n{USAGE}"))?;
        options.runtimes.push(Runtime::parse(&runtime)?);
    }
    options.jobs = options.jobs.max(1);
    Ok(options)
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
