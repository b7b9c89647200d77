// Says why the page stays dark if it is opened as a file: browsers load modules only
// from servers. This script is not a module, so it runs there too.

if (location.protocol === "file:") {
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("message").textContent =
      "This page was opened as a file, and browsers run its modules only from a web "
      + "server. Copy the folder to your web site, or run: "
      + "python -m http.server --directory FOLDER";
  });
}
