"""How the tests start Chromium."""

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage",
         # Whatever a page calls itself: as DNS rebinding would have it.
         "--host-resolver-rules=MAP *.example 127.0.0.1"]
