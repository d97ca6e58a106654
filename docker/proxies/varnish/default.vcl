# Varnish: every dialect; a handshake becomes a pipe, in which bytes pass untouched.
#
# check  varnishd -C -n /run/varnish -f /path/to/default.vcl
# run    varnishd -F -n /run/varnish -a 0.0.0.0:8080 -f /path/to/default.vcl -p pipe_timeout=3600
#        (the default cuts a tunnel silent for 60 s)

vcl 4.1;

backend gateway {
    .host = "ws76:8076";
}

sub vcl_recv {
    set req.http.X-Forwarded-For = client.ip;   # replace what a client made up
    set req.http.X-Forwarded-Host = req.http.Host;
    set req.http.X-Forwarded-Proto = "http";    # "https" with a TLS proxy before Varnish
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    return (pass);                              # or the caching rules of the site
}

sub vcl_pipe {
    if (req.http.Upgrade) {                     # both are dropped otherwise
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
}
