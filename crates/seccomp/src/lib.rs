//! Compiles the seccomp profile of a runtime configuration to BPF.
