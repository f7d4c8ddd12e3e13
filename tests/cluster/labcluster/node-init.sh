#!/bin/sh
# PID 1 of a node, in namespaces of its own (mount, pid, uts, ipc, net, cgroup).
# Usage: node-init.sh STATE NODE_NAME PAUSE [CGROUP_V1_OPTIONS...]; without options the machine has cgroup version 2.
set -eu
state=$1 node=$2 pause=$3
shift 3

hostname "$node"
mount -t proc proc /proc
mount -t sysfs sysfs /sys
if [ $# -eq 0 ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for options; do
        folder=/sys/fs/cgroup/${options#name=}
        mkdir "$folder"
        case $options in name=*) options=none,$options ;; esac
        mount -t cgroup -o "$options" cgroup "$folder"
    done
fi

# Other clusters' and tools' named network namespaces would live on as long as this node's copy of the mounts.
umount -R -l /run/netns 2>/dev/null || true
mount -t tmpfs -o mode=755 run /run
mkdir /run/netns /run/lock /run/containerd

# Paths that the programs have built in, whatever their flags say.
for path in var/log var/lib/cni var/lib/kubelet; do
    mkdir -p "/$path" "$state/$path"
    mount --bind "$state/$path" "/$path"
done
mount --bind "$state/etc/resolv.conf" /etc/resolv.conf
mount --bind "$state/etc/hosts" /etc/hosts

# kubelet insists on settings of the whole machine: let it find (and write) them in files instead.
while read -r name value; do
    file=/run/sysctl-$(echo "$name" | tr / -)
    echo "$value" >"$file"
    mount --bind "$file" "/proc/sys/$name"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

# Settings of this network namespace. The short conntrack times keep a connection that was attempted while its pod died
# from blocking a later one that happens to use the same source port.
while read -r name value; do
    echo "$value" >"/proc/sys/net/$name" || echo "no setting net/$name on this kernel" >&2
done <<END
ipv4/ip_forward 1
bridge/bridge-nf-call-iptables 1
ipv4/conf/all/rp_filter 0
netfilter/nf_conntrack_tcp_timeout_syn_sent 5
netfilter/nf_conntrack_tcp_timeout_time_wait 5
netfilter/nf_conntrack_tcp_timeout_close 2
END

mount --make-rshared /
ip link set lo up
: >"$state/booted"
exec "$pause"
