// Lets the browser keep the files of the page, once the lamp is seen.

addEventListener("firstpicture", () => {
  const worker = new URL("service_worker.js", import.meta.url);
  // Without HTTPS, or in private windows, browsers have none: the page needs a network.
  navigator.serviceWorker?.register(worker).catch(() => {});
}, { once: true });
