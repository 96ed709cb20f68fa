//! Points the program's ELF header at the entry that `kernel` has for this architecture; elsewhere at the C library's, as usual.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The linker reads it, which cargo does not know.
    println!("cargo:rerun-if-changed=../../scripts/order.ld");
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if matches!(architecture.as_str(), "x86_64" | "aarch64") {
        println!("cargo:rustc-link-arg-bins=-Wl,-e,teu_start");
    }
}
