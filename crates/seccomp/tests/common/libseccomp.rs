//! Debian's libseccomp, asked through a small C program.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use seccomp::{Arch, Insn, Operator, Profile};

use super::common::{default_ret, ret};

/// libseccomp, compiled into a program of this test; or why it is not there.
pub struct Libseccomp(PathBuf);

/// What libseccomp made of a profile.
pub struct Answer {
    pub instructions: Vec<Insn>,
    /// From `seccomp_init` to the exported program.
    #[allow(dead_code)] // only the benchmark asks
    pub nanoseconds: u64,
}

impl Drop for Libseccomp {
    fn drop(&mut self) {
        // Whether the file is gone is of no consequence for the test.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Libseccomp {
    /// Compiles the C program.
    ///
    /// # Errors
    /// Why that is not possible here: a reason to skip the test.
    pub fn build(name: &str, directory: &Path) -> Result<Self, String> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/libseccomp.c");
        let program = directory.join(name);
        let compiler = Command::new("gcc")
            .args(["-O2", "-o"])
            .arg(&program)
            .args([source, "-lseccomp"])
            .output();
        match compiler {
            Err(error) => Err(format!("gcc: {error}")),
            Ok(output) if !output.status.success() => Err(format!(
                "gcc with libseccomp-dev: {}",
                String::from_utf8_lossy(&output.stderr)
            )),
            Ok(_) => Ok(Self(program)),
        }
    }

    /// Compiles profiles for these architectures, one answer for each profile.
    /// `Err` holds libseccomp's complaint. `optimize` is SCMP_FLTATR_CTL_OPTIMIZE:
    /// 1 is its default, 2 a binary tree over call numbers.
    pub fn compile(
        &self,
        profiles: &[Profile],
        archs: &[Arch],
        optimize: u32,
    ) -> Vec<Result<Answer, String>> {
        let mut child = Command::new(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was just built");
        let text: String = profiles
            .iter()
            .map(|profile| request(profile, archs, optimize))
            .collect();
        let mut input = child.stdin.take().expect("stdin is piped");
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = child.wait_with_output().expect("read libseccomp's answers");
        // The writer fails if the program gives up early; the answers tell.
        let _ = writer.join();
        answers(
            &String::from_utf8(output.stdout).expect("ASCII"),
            archs[0].is_big_endian(),
        )
    }
}

fn request(profile: &Profile, archs: &[Arch], optimize: u32) -> String {
    let default = default_ret(profile);
    let mut text = format!("profile {default} {optimize}");
    for arch in archs {
        // SCMP_ARCH_* is the audit value, but for x32 (libseccomp's seccomp.h).
        let token = if *arch == Arch::X32 {
            0x4000_003e
        } else {
            arch.audit()
        };
        write!(text, " {token}").unwrap();
    }
    text.push('\n');
    for entry in &profile.syscalls {
        let action = ret(entry.action, entry.errno_ret);
        if action == default {
            continue;
        }
        let repeats =
            (0..6).any(|index| entry.args.iter().filter(|arg| arg.index == index).count() > 1);
        let size = if repeats { 1 } else { entry.args.len().max(1) };
        let mut rules: Vec<_> = entry.args.chunks(size).collect();
        if rules.is_empty() {
            rules.push(&[]);
        }
        for name in &entry.names {
            for args in &rules {
                write!(text, "rule {action} {name} {}", args.len()).unwrap();
                for arg in *args {
                    let op = match arg.op {
                        Operator::Ne => 1,
                        Operator::Lt => 2,
                        Operator::Le => 3,
                        Operator::Eq => 4,
                        Operator::Ge => 5,
                        Operator::Gt => 6,
                        Operator::MaskedEq => 7,
                    };
                    write!(text, " {} {op} {} {}", arg.index, arg.value, arg.value_two).unwrap();
                }
                text.push('\n');
            }
        }
    }
    text + "end\n"
}

fn answers(text: &str, swapped: bool) -> Vec<Result<Answer, String>> {
    let mut answers: Vec<Result<Answer, String>> = Vec::new();
    for line in text.lines() {
        if let Some(error) = line.strip_prefix("error ") {
            answers.push(Err(error.to_owned()));
        } else if line == "hung" {
            answers.push(Err(line.to_owned()));
        } else if let Some(head) = line.strip_prefix("program ") {
            let nanoseconds = head
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse().ok())
                .expect("a time");
            answers.push(Ok(Answer {
                instructions: Vec::new(),
                nanoseconds,
            }));
        } else {
            let words: Vec<u32> = line
                .split(' ')
                .map(|word| word.parse().expect("a number"))
                .collect();
            let (code, k) = (words[0] as u16, words[3]);
            let (code, k) = if swapped {
                (code.swap_bytes(), k.swap_bytes())
            } else {
                (code, k)
            };
            let insn = Insn {
                code,
                jt: words[1] as u8,
                jf: words[2] as u8,
                k,
            };
            answers
                .last_mut()
                .unwrap()
                .as_mut()
                .unwrap()
                .instructions
                .push(insn);
        }
    }
    answers
}
