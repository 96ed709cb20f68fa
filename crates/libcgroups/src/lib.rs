//! One cgroup of one workload, on cgroup v1, v2 and through systemd. Knows nothing of containers.
