#!/usr/bin/env bash
# An S3 server for tests: Ceph's gateway over one in-memory store, on this machine's loopback only.
# Usage: start_ceph.sh FOLDER GATEWAY_PORT MONITOR_PORT MONITOR_V1_PORT; user testkey / testsecret.
# Needs Debian's radosgw, ceph-mon, ceph-osd, ceph-mgr and ceph-common. Each server writes FOLDER/run/*.pid.
set -euo pipefail
folder=$1 gateway=$2 monitors="[v2:127.0.0.1:$3,v1:127.0.0.1:$4]"
mkdir -p "$folder"/{mon,osd,mgr,run,rgw}
cluster=$(cat /proc/sys/kernel/random/uuid) disk=$(cat /proc/sys/kernel/random/uuid)
export CEPH_CONF=$folder/ceph.conf

cat > "$CEPH_CONF" <<END
[global]
fsid = $cluster
mon_host = $monitors
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
# nobody else reaches the loopback, so the servers trust each other
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
auth_allow_insecure_global_id_reclaim = false
# one copy on one disk that is memory
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
rgw_run_sync_thread = false
rgw_enable_usage_log = false
rgw_crypt_require_ssl = false
run_dir = $folder/run
pid_file = $folder/run/\$name.pid
log_file = $folder/run/\$name.log
admin_socket = $folder/run/\$name.asok
[mon.a]
mon_data = $folder/mon
[osd.0]
osd_data = $folder/osd
[mgr.x]
mgr_data = $folder/mgr
[client.rgw.a]
rgw_data = $folder/rgw
rgw_frontends = beast endpoint=127.0.0.1:$gateway
END

monmaptool --create --fsid "$cluster" --addv a "$monitors" "$folder/monmap"
ceph-mon --mkfs -i a --monmap "$folder/monmap"
ceph-mon -i a
ceph osd new "$disk" 0
ceph-osd -i 0 --mkfs --osd-uuid "$disk"
ceph-osd -i 0
ceph-mgr -i x
ceph osd crush add osd.0 1.0 host=localhost root=default
radosgw-admin user create --uid=tests --display-name=tests --access-key=testkey --secret-key=testsecret
radosgw-admin user create --uid=stranger --display-name=stranger --access-key=otherkey --secret-key=othersecret
radosgw -n client.rgw.a
for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$gateway") 2>/dev/null && exit 0
    sleep 0.1
done
echo "the gateway did not open port $gateway within 30 s" >&2
exit 1
