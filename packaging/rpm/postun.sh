# $1 is how many versions are left: 0 for a removal, 1 for an upgrade. State and group stay, as with any rpm.
if [ "$1" -eq 0 ]; then
    rm -f /run/cdi/kerf.dev-*.json
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    if [ "$1" -ge 1 ]; then
        # Containers and leases outlive a restart of kerfd.
        systemctl try-restart kerfd.service || true
    fi
fi
exit 0
