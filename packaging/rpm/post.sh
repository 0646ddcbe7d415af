# $1 is how many versions are installed now: 1 for a new installation, 2 for an upgrade.
if command -v systemd-sysusers > /dev/null; then
    systemd-sysusers kerf.conf || true
elif ! getent group kerf > /dev/null; then
    groupadd --system kerf || true
fi
if command -v systemd-tmpfiles > /dev/null; then
    systemd-tmpfiles --create kerf.conf || true
fi
if command -v systemctl > /dev/null; then
    # The distribution's presets say whether it is enabled, and nothing is started here.
    if [ "$1" -eq 1 ]; then
        systemctl --no-reload preset kerf-partitioner.socket kerf-process.socket kerf-mps.socket kerfd.socket kerfd.service > /dev/null 2>&1 || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
fi
exit 0
