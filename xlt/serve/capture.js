"use strict";
// Sound of the microphone as 16-bit samples of one channel, a tenth of a second at once.
class Capture extends AudioWorkletProcessor {
  constructor() { super(); this.fresh(); }

  fresh() { this.samples = new Int16Array(Math.round(sampleRate / 10)); this.count = 0; }

  process([channels]) {
    const length = channels.length ? channels[0].length : 0;
    for (let n = 0; n < length; n++) {
      const value = channels.reduce((sum, one) => sum + one[n], 0) / channels.length;
      this.samples[this.count++] = Math.max(-32768, Math.min(32767, Math.round(32768 * value)));
      if (this.count === this.samples.length) {
        this.port.postMessage(this.samples.buffer, [this.samples.buffer]);
        this.fresh();
      }
    }
    return true;
  }
}
registerProcessor("capture", Capture);
