// Waiting for what is ready, and for no time: for tests that say that nothing comes of something.

/** Ends when every promise that is settled has been handled, with what follows from that. */
export const turn = (): Promise<void> =>
  new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
