// Pictures of one clip: waveform, mel spectrogram, and the genres over time.

const BANDS = 72;

function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, canvas.clientWidth), height = Math.max(1, canvas.clientHeight);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

export function waveform(canvas, sound, colour) {
  const { pen, width, height } = prepare(canvas);
  pen.fillStyle = colour;
  const middle = height / 2, step = sound.samples.length / width;
  for (let x = 0; x < width; x++) {
    let low = 0, high = 0;
    const end = Math.min(sound.samples.length, Math.ceil((x + 1) * step));
    for (let i = Math.floor(x * step); i < end; i++) {
      const value = sound.samples[i];
      if (value < low) low = value; else if (value > high) high = value;
    }
    const top = middle - high * (middle - 4), bottom = middle - low * (middle - 4);
    pen.fillRect(x, top, 1, Math.max(1, bottom - top));
  }
}

/** In-place radix-2 FFT of a real frame; `re` and `im` have a power of two. */
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [re[i], re[j]] = [re[j], re[i]]; [im[i], im[j]] = [im[j], im[i]]; }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const angle = -2 * Math.PI / size, half = size >> 1;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < half; k++) {
        const c = Math.cos(angle * k), s = Math.sin(angle * k), a = start + k, b = a + half;
        const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
      }
    }
  }
}

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (value) => 700 * (10 ** (value / 2595) - 1);

/** Mel powers in dB: {values: Float32Array [columns * BANDS], columns}. */
function spectrogram(sound, columns) {
  const size = 1024, values = new Float32Array(columns * BANDS);
  const hann = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / size));
  const top = Math.min(8000, sound.rate / 2);
  const edges = Array.from({ length: BANDS + 2 }, (_, i) => hertz(mel(40) + (mel(top) - mel(40)) * i / (BANDS + 1)) * size / sound.rate);
  const re = new Float32Array(size), im = new Float32Array(size), power = new Float32Array(size / 2 + 1);
  for (let column = 0; column < columns; column++) {
    const from = Math.round((sound.samples.length - size) * column / Math.max(1, columns - 1));
    for (let i = 0; i < size; i++) { re[i] = (sound.samples[from + i] ?? 0) * hann[i]; im[i] = 0; }
    fft(re, im);
    for (let i = 0; i < power.length; i++) power[i] = re[i] * re[i] + im[i] * im[i];
    for (let band = 0; band < BANDS; band++) {
      const low = Math.floor(edges[band]), high = Math.max(low + 1, Math.ceil(edges[band + 2]));
      let sum = 0;
      for (let i = low; i < high; i++) sum += power[i] ?? 0;
      values[column * BANDS + band] = 10 * Math.log10(1e-9 + sum / (high - low));
    }
  }
  return values;
}

// Dark violet to yellow in five stops, as [red, green, blue].
const RAMP = [[18, 10, 40], [84, 26, 120], [176, 52, 108], [240, 124, 52], [252, 232, 140]];

function ramp(share) {
  const at = Math.max(0, Math.min(0.999, share)) * (RAMP.length - 1), i = Math.floor(at), rest = at - i;
  return RAMP[i].map((value, channel) => value + (RAMP[i + 1][channel] - value) * rest);
}

export function melPicture(canvas, sound) {
  const { width } = prepare(canvas);
  const columns = Math.min(900, Math.round(width));
  const values = spectrogram(sound, columns);
  const peak = values.reduce((most, value) => Math.max(most, value), -200);
  const image = new ImageData(columns, BANDS);
  for (let x = 0; x < columns; x++) {
    for (let band = 0; band < BANDS; band++) {
      const at = 4 * ((BANDS - 1 - band) * columns + x);
      image.data.set([...ramp(1 + (values[x * BANDS + band] - peak) / 70), 255], at);
    }
  }
  const small = new OffscreenCanvas(columns, BANDS);
  small.getContext("2d").putImageData(image, 0, 0);
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Black or white, whichever reads better on `colour`. */
function readable(pen, colour) {
  pen.fillStyle = colour;
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(pen.fillStyle.slice(at, at + 2), 16) / 255);
  return 0.2126 * red ** 2.2 + 0.7152 * green ** 2.2 + 0.0722 * blue ** 2.2 > 0.18 ? "#15131c" : "#fff";
}

/** Stacked shares of each segment's likeliest genres; a segment fills the time until the next one begins. */
export function timeline(canvas, segments, duration, colour) {
  const { pen, width, height } = prepare(canvas);
  const edge = (index) => index < segments.length ? segments[index].start_s : duration;
  segments.forEach((segment, index) => {
    const from = width * segment.start_s / duration, to = width * edge(index + 1) / duration;
    let bottom = height;
    for (const { genre, probability } of segment.probabilities) {
      pen.fillStyle = colour(genre);
      pen.fillRect(from, bottom - probability * height, Math.max(1, to - from + 0.5), probability * height + 0.5);
      bottom -= probability * height;
    }
  });
  // Runs of one genre carry its name where there is room.
  pen.font = "600 12px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  for (let start = 0; start < segments.length;) {
    let end = start;
    while (end < segments.length && segments[end].genre === segments[start].genre) end++;
    const from = width * segments[start].start_s / duration, room = width * edge(end) / duration - from;
    const name = segments[start].genre;
    if (pen.measureText(name).width + 12 < room) {
      pen.fillStyle = readable(pen, colour(name));
      pen.fillText(name, from + 6, height - 5);
    }
    start = end;
  }
}
