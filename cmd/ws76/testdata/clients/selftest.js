// Opens the page of WS76_SELFTEST in PhantomJS 1.9, and prints what it shows as JSON when
// it shows a code. Errors of the page are in it too.
//
// usage: phantomjs --ssl-certificates-path=/nonexistent selftest.js URL [PICTURE]

var system = require('system');
var page = require('webpage').create();
var errors = [];
page.viewportSize = { width: 600, height: 800 };
page.onError = function (message) { errors.push(message); };
page.onConsoleMessage = function (line) { errors.push('console: ' + line); };
setTimeout(function () { print(); phantom.exit(1); }, 28000);

function print() {
    var shown = page.evaluate(function () {
        var rows = [], all = document.querySelectorAll('#rows p'), i;
        for (i = 0; i < all.length; i++) rows.push(all[i].textContent);
        return { code: document.getElementById('code').textContent, verdict: document.getElementById('verdict').textContent, rows: rows };
    });
    shown.errors = errors;
    console.log(JSON.stringify(shown));
}

page.open(system.args[1], function (status) {
    if (status !== 'success') {
        console.log('not opened');
        phantom.exit(1);
    }
    setInterval(function () {
        if (page.evaluate(function () { return document.getElementById('code').textContent; })) {
            print();
            if (system.args[2]) page.render(system.args[2]);
            phantom.exit(0);
        }
    }, 50);
});
