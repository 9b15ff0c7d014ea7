"""The options of uWSGI that take no value in the next word, and the long names of its short ones.

From the option tables of uWSGI 2.0.21 and 2.0.31 (core/uwsgi.c, plugins/python, http, corerouter, gevent and others:
those with no_argument or optional_argument). All other options take a value.
"""

FLAGS = frozenset("""
    abstract-socket alarm-list alarms-list auto-procname autoload cache-no-expire cache-report-freed-items
    cache-use-last-modified catch-exceptions cflags cgi-mode cheap cheaper-algo-list cheaper-algos-list cheaper-list
    check-cache check-static-docroot chmod chmod-socket clock-list clocks-list close-on-exec close-on-exec2
    command-mode config-py daemons-honour-stdin die-on-idle die-on-term disable-logging disable-sendfile
    disable-write-exception dot-h drop-after-apps drop-after-init dump-options early-emperor
    emperor-graceful-shutdown emperor-magic-exec emperor-no-blacklist emperor-nofollow emperor-tyrant
    emperor-tyrant-nofollow enable-metrics enable-proxy-protocol enable-threads end-blacklist end-for end-if
    end-whitelist endfor endif exit exit-on-reload force-gateway freebind gevent-early-monkey-patch
    gevent-monkey-patch gevent-wait-for-hub greenlet harakiri-no-arh harakiri-verbose help honour-range honour-stdin
    http-auto-chunked http-auto-gzip http-cheap http-chunked-input http-enable-proxy-protocol http-keepalive
    http-manage-expect http-manage-rtsp http-manage-source http-raw-body http-use-cache http-use-socket
    http-websockets https-export-cert if-not-reload if-reload ignore-script-name ignore-sigpipe ignore-write-errors
    imperial-monitor-list imperial-monitors-list jailed ksm lazy lazy-apps log-4xx log-5xx log-date
    log-format-strftime log-master log-master-req-stream log-master-stream log-micros log-prefix log-reopen
    log-syslog log-truncate log-x-forwarded-for log-zero logdate logfile-chown logformat-strftime logger-list
    loggers-list loop-list loops-list manage-script-name master master-as-root memory-report metric-dir-restore
    metrics-dir-restore metrics-no-cores mule mule-msg-size need-app never-swap no-default-app no-defer-accept
    no-fd-passing no-harakiri-after-req-hook no-harakiri-arh no-initgroups no-orphans no-server no-site
    no-threads-wait paste-logger pcre-jit persistent-ipcsem plugin-list plugins-list propagate-touch
    py-call-osafterfork py-call-uwsgi-fork-hooks pyshell pyshell-oneshot python-version re-fork re-fork-as-root
    re-fork-post-jail reaper refork refork-as-root refork-post-jail reload-on-exception reload-os-env reuse-port
    router-list routers-list setns-preopen show-config shutdown-sockets single-interpreter skip-atexit
    skip-atexit-teardown skip-zero snmp so-keepalive so-send-timeout so-write-timeout socket-send-timeout
    socket-write-timeout spooler-ordered spooler-quiet ssl-enable-sslv3 ssl-enable-tlsv1 ssl-enable3 ssl-option
    ssl-session-use-cache ssl-sessions-use-cache ssl-verbose ssl-verify-depth start-unsubscribed static-gzip-all
    stats-http stats-min stats-minified stats-no-cores stats-no-metrics strict subscription-dotsplit
    subscriptions-use-credentials tcp-fast-open-client tcp-fastopen-client tcp-nodelay threaded-logger thunder-lock
    ugreen unsubscribe-on-graceful-reload usage use-abort vacuum version vhost vhost-host
    write-errors-exception-only wsgi-accept-buffer wsgi-accept-buffers wsgi-disable-file-wrapper wsgi-strict
    zerg-fallback
""".split())
SHORT = {
    "A": "sharedarea", "C": "chmod-socket", "H": "home", "J": "test", "L": "disable-logging", "M": "master", "O":
    "optimize", "Q": "spooler", "R": "max-requests", "S": "set", "T": "enable-threads", "a": "abstract-socket", "b":
    "buffer-size", "c": "cgi-mode", "d": "daemonize", "h": "help", "i": "single-interpreter", "j": "json", "l":
    "listen", "m": "memory-report", "p": "processes", "r": "reaper", "s": "socket", "t": "harakiri", "v":
    "max-vars", "w": "wsgi", "x": "xmlconfig", "y": "yaml", "z": "socket-timeout",
}
