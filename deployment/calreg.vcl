# /etc/varnish/calreg.vcl: a cache in memory before the instances of `calreg serve`.
vcl 4.1;

import directors;
import std;

probe health {
    .url = "/healthz";
    .interval = 1s;
    .timeout = 5s;
    .window = 3;
    .threshold = 2;
    .initial = 2;
}

backend instance_8421 {
    .host = "127.0.0.1";
    .port = "8421";
    .connect_timeout = 2s;
    .first_byte_timeout = 55s;
    .between_bytes_timeout = 15s;
    .probe = health;
}

backend instance_8422 {
    .host = "127.0.0.1";
    .port = "8422";
    .connect_timeout = 2s;
    .first_byte_timeout = 55s;
    .between_bytes_timeout = 15s;
    .probe = health;
}

sub vcl_init {
    new calreg = directors.round_robin();
    calreg.add_backend(instance_8421);
    calreg.add_backend(instance_8422);
}

sub vcl_recv {
    set req.backend_hint = calreg.backend();
    unset req.http.Cookie;
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # What follows is Varnish's own: a request with Authorization is passed on, and its answer is not kept.
}

sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

sub vcl_backend_response {
    # Nothing is told once it is older than the service says: no grace, and no refreshing in the background.
    set beresp.grace = 0s;
    set beresp.keep = 0s;
    if (beresp.http.Cache-Control !~ "^public, max-age=[0-9]+") {
        # For a minute requests for this do not wait for each other.
        set beresp.uncacheable = true;
        set beresp.ttl = 60s;
        return (deliver);
    }
    if (beresp.status == 422) {
        # "Nothing is valid", of which Varnish does not know that it may be kept.
        set beresp.ttl = std.duration(regsub(beresp.http.Cache-Control, "^.*max-age=([0-9]+).*$", "\1s"), 0s);
    }
    if (beresp.ttl > 1m) {
        # Pinned: asked again with its ETag.
        set beresp.keep = 1d;
    }
}

sub vcl_backend_error {
    if (bereq.retries < 1) {
        return (retry);
    }
}

sub vcl_deliver {
    # What is counted is read from the instances. No spelling of its URL leads around this.
    if (resp.http.Content-Type ~ "^text/plain; version=") {
        return (synth(403));
    }
    if (obj.hits > 0) {
        set resp.http.Calreg-Cache = "HIT";
    } else {
        set resp.http.Calreg-Cache = "MISS";
    }
}
