# shellcheck shell=bash
# cri - containerd's side of Kubernetes, called as the kubelet calls it; the cases are in cri.py.
export LD_LIBRARY_PATH=/opt/extras/usr/lib/x86_64-linux-gnu
cri() { python3 "${BASH_SOURCE[0]%/*}/cri.py" "$@"; }
cleanup() { unset LD_LIBRARY_PATH; [ -z "$(ctr -n k8s.io task ls -q)" ] || LD_LIBRARY_PATH=/opt/extras/usr/lib/x86_64-linux-gnu cri cleanup; }
