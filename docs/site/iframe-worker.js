/* Browsers start no Worker from a file: page. The search then runs in a hidden frame of the same page instead; the plugin `offline`
   would take such a script from another host, unless extra.polyfills names one with "iframe-worker" in its name. */
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.frame = frame;
      this.scope = frame.contentWindow;
      const load = (address) =>
        new Promise((done, failed) => {
          const script = this.scope.document.createElement("script");
          Object.assign(script, { src: address, onload: done, onerror: failed });
          this.scope.document.body.append(script);
        });
      this.scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.scope.importScripts = (...addresses) => addresses.reduce((before, address) => before.then(() => load(address)), Promise.resolve());
      this.ready = load(new URL(url, document.baseURI).href);
    }
    postMessage(data) {
      this.ready.then(() => this.scope.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) })));
    }
    terminate() {
      this.frame.remove();
    }
  };
