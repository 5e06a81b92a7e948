// Sound in the browser: decoding for pictures, recording, and WAV as the one format the page itself makes.

let context = null;

function shared() {
  context ??= new AudioContext();
  return context;
}

/** Decode a file to {samples: Float32Array (first channel mixed with the rest), rate}, or null where the browser can't. */
export async function decode(blob) {
  try {
    const buffer = await shared().decodeAudioData(await blob.arrayBuffer());
    const samples = new Float32Array(buffer.length);
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      const data = buffer.getChannelData(channel);
      for (let i = 0; i < data.length; i++) samples[i] += data[i] / buffer.numberOfChannels;
    }
    return { samples, rate: buffer.sampleRate };
  } catch {
    return null;
  }
}

/** 16-bit mono WAV of float samples in [-1, 1]. */
export function wav({ samples, rate }) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, 32767 * Math.max(-1, Math.min(1, value)), true));
  return new Blob([view], { type: "audio/wav" });
}

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);

/** Start the microphone; the returned function stops it and resolves to a WAV file. */
export async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.start();
  return () => new Promise((resolve, reject) => {
    recorder.addEventListener("stop", async () => {
      stream.getTracks().forEach((track) => track.stop());
      const sound = await decode(new Blob(parts, { type: recorder.mimeType }));
      if (!sound) return reject(new Error("The recording could not be read."));
      const clock = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
      resolve(new File([wav(sound)], `recording ${clock}.wav`, { type: "audio/wav" }));
    });
    recorder.stop();
  });
}
