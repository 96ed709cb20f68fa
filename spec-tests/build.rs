//! Builds the payload: the static program that the suite puts into its containers. rustc is called directly,
//! because cargo cannot link one program of a package statically and the other not.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=payload");
    let out =
        PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("payload");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let status = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=payload", "--target"])
        .arg(std::env::var_os("TARGET").expect("cargo sets TARGET"))
        .args([
            "-Ctarget-feature=+crt-static",
            "-Copt-level=s",
            "-Cpanic=abort",
            "-Cstrip=symbols",
            "-o",
        ])
        .arg(&out)
        .arg("payload/main.rs")
        .status()
        .expect("rustc can be started");
    assert!(status.success(), "the payload does not compile");
}
