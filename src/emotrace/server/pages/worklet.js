"use strict";
/* Hands microphone sound over in pieces of a tenth of a second, as 16-bit samples. */
class Pieces extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.port.onmessage = () => { this.give(); this.port.postMessage(null); };
  }

  give() {
    if (!this.filled) return;
    const whole = this.piece.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(whole, [whole.buffer]);
  }

  process(inputs) {
    const channels = inputs[0];
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(32768 * sum / channels.length)));
      if (this.filled === this.piece.length) this.give();
    }
    return true;
  }
}
registerProcessor("pieces", Pieces);
