//! The command line of an OCI runtime as types. No I/O.
