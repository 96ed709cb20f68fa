//! The one door to the kernel: typed wrappers of the system calls that other crates lack, and the only unsafe code of the project.
