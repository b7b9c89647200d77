// The head of the generator as shaders: they colour a map of features in any number of
// pixels, as duralava/models/head.py does. A frame is drawn in the same way, as a map
// whose features are colours.

import { decodeBytes, recolour } from "./themes.js";

const VECTOR = 4; // features of a texel
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render/i;

const VERTICES = `#version 300 es
  void main() { // one triangle that covers the canvas
    gl_Position = vec4(4 * (gl_VertexID & 1) - 1, 2 * (gl_VertexID & 2) - 1, 0, 1);
  }`;

const CUBIC = `#version 300 es
  precision highp float;
  precision highp int;
  precision highp sampler2D;

  // Weights of the four cells around a place, t after the centre of the second. These
  // are the cubic filters of Mitchell and Netravali (1988): a B-spline if b is 1.
  vec4 cubic(float t) {
    const float b = SPLINE, c = (1. - b) / 2.;
    vec4 d = vec4(1. + t, t, 1. - t, 2. - t);
    vec4 inner = (12. - 9. * b - 6. * c) * d * d * d
      + (-18. + 12. * b + 6. * c) * d * d + (6. - 2. * b);
    vec4 outer = (-b - 6. * c) * d * d * d + (6. * b + 30. * c) * d * d
      + (-12. * b - 48. * c) * d + (8. * b + 24. * c);
    return vec4(outer.x, inner.y, inner.z, outer.w) / 6.;
  }

  // Returns the four cells that a pixel takes, of which the last repeat at both ends.
  ivec4 cells(float pixel, int count, out vec4 weights) {
    float x = pixel * float(count) - 0.5;
    weights = cubic(x - floor(x));
    return clamp(int(floor(x)) + ivec4(-1, 0, 1, 2), 0, count - 1);
  }`;

// Interpolates between two maps in time, and between rows of the map for each row of
// pixels. The result has one row of texels for each row of pixels.
const ROWS = `${CUBIC}
  uniform sampler2D first, second;
  uniform float share; // of the way from the first map to the second
  uniform float bottom, side; // of the picture, in pixels of the canvas
  out vec4 row;

  void main() {
    vec4 weights;
    float place = 1. - (gl_FragCoord.y - bottom) / side;
    ivec4 taps = cells(place, textureSize(first, 0).y, weights);
    row = vec4(0);
    for (int k = 0; k < 4; k++) {
      ivec2 at = ivec2(int(gl_FragCoord.x), taps[k]);
      row += weights[k]
        * mix(texelFetch(first, at, 0), texelFetch(second, at, 0), share);
    }
  }`;

// Interpolates between columns and colours the pixels.
const COLOURS = `${CUBIC}
  precision highp sampler3D;
  uniform sampler2D rows;
  uniform sampler3D theme;
  uniform bool themed;
  uniform float left, side;
  out vec4 colour;

  #if HIDDEN > 0
  uniform float octaves; // of the pixel's size above that of a frame for training
  layout(std140) uniform Head {
    vec4 pixelSize[TEXELS];
    mat4 firstKernel[TEXELS * HIDDEN];
    vec4 firstBias[HIDDEN];
    mat4 lastKernel[HIDDEN];
    vec4 lastBias;
  };

  vec4 activate(vec4 x) { return max(x, 0.2 * x); }
  #endif

  void main() {
    vec4 weights;
    int count = textureSize(rows, 0).x / TEXELS;
    ivec4 taps = TEXELS * cells((gl_FragCoord.x - left) / side, count, weights);
    int y = int(gl_FragCoord.y);
    #if HIDDEN > 0
    vec4 hidden[HIDDEN];
    for (int h = 0; h < HIDDEN; h++) hidden[h] = firstBias[h];
    #endif
    for (int texel = 0; texel < TEXELS; texel++) {
      vec4 x = vec4(0);
      for (int k = 0; k < 4; k++) {
        x += weights[k] * texelFetch(rows, ivec2(taps[k] + texel, y), 0);
      }
      #if HIDDEN > 0
      x = activate(x + octaves * pixelSize[texel]);
      for (int h = 0; h < HIDDEN; h++) {
        hidden[h] += firstKernel[texel * HIDDEN + h] * x;
      }
      #else
      colour = clamp(x, 0., 1.);
      #endif
    }
    #if HIDDEN > 0
    vec4 x = lastBias;
    for (int h = 0; h < HIDDEN; h++) x += lastKernel[h] * activate(hidden[h]);
    colour = tanh(clamp(x, -9., 9.)) / 2. + 0.5;
    #endif
    if (themed) {
      float size = float(textureSize(theme, 0).x);
      colour = texture(theme, (colour.bgr * (size - 1.) + 0.5) / size);
    }
    colour.a = 1.;
  }`;

/**
 * Returns whether this browser can colour features with a graphics processor.
 *
 * The page's parameter `webgl` is 0 to draw frames, and 1 to use WebGL also where it is
 * computed in software, which is slow.
 */
export function canColourFeatures() {
  const wanted = new URLSearchParams(location.search).get("webgl");
  if (wanted === "0") return false;
  const gl = document.createElement("canvas").getContext("webgl2");
  const format = gl && rowFormat(gl);
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = info && gl.getParameter(info.UNMASKED_RENDERER_WEBGL);
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(format) && (wanted === "1" || !SOFTWARE.test(renderer));
}

/** Draws pictures on a canvas. A picture is a map of features or an ImageData. */
export class ShaderPainter {
  #gl;
  #pictures = []; // of the last call, as textures
  #rows; // texture with a row of texels for each row of pixels
  #target; // framebuffer that draws it
  #theme; // texture of a table
  #programs = {}; // of the head of the last call, null for frames

  /** Makes all objects of a canvas, which may have lost those that it had. */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", {
      antialias: false,
      depth: false,
      preserveDrawingBuffer: true, // so that snapshots can be taken at any time
    });
    this.#gl = gl;
    this.#target = gl.createFramebuffer();
    this.#rows = { texture: null, width: 0, height: 0 };
    // A sampler needs a texture, even where the shader does not read it.
    this.#uploadTheme({ size: 2, data: new Uint8Array(3 * 2 ** 3) });
  }

  /**
   * Draws what lies between two pictures, which may be the same.
   *
   * @param first a picture: an ImageData, or a map of features {data, head} whose data
   *   is a Float32Array, or a Uint16Array of half precision. `head` is what
   *   `describe_head` in duralava/live/feature_maps.py returns.
   * @param second a picture of the same kind.
   * @param share of the way from the first to the second.
   * @param theme table of a theme, or null.
   * @param layout {side, left, top} of the square picture on the canvas, in pixels.
   */
  paint({ first, second, share, theme, layout }) {
    const gl = this.#gl;
    const { width, height } = gl.canvas;
    const { side, left } = layout;
    const bottom = height - layout.top - side;
    const head = first.head ?? null;
    const [before, after] = this.#upload([first, second]);
    if (theme && theme !== this.#theme.table) this.#uploadTheme(theme);
    if (head !== this.#programs.head) {
      deletePrograms(gl, this.#programs);
      this.#programs = makePrograms(gl, head);
    }
    const { rows, colours, weights } = this.#programs;

    this.#resizeRows(before.width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, Math.max(0, bottom), before.width, side);
    gl.viewport(0, 0, before.width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
    draw(gl, rows, [before, after], { share, bottom, side });

    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(left, bottom, side, side);
    gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, weights);
    const octaves = head && Math.log2(head.resolution / side);
    const themed = theme ? 1 : 0;
    draw(gl, colours, [this.#rows, this.#theme], { left, side, octaves, themed });
  }

  /** Returns the textures of pictures; those of the last call are not uploaded again. */
  #upload(pictures) {
    const kept = this.#pictures.filter(({ picture }) => pictures.includes(picture));
    const unused = this.#pictures.filter((texture) => !kept.includes(texture));
    for (const picture of new Set(pictures)) {
      if (kept.some((texture) => texture.picture === picture)) continue;
      kept.push(uploadPicture(this.#gl, picture));
    }
    for (const { texture } of unused) this.#gl.deleteTexture(texture);
    this.#pictures = kept;
    return pictures.map((one) => kept.find(({ picture }) => picture === one));
  }

  #uploadTheme(table) {
    const gl = this.#gl;
    const { size, data } = table;
    gl.deleteTexture(this.#theme?.texture ?? null);
    this.#theme = { ...makeTexture(gl, gl.TEXTURE_3D, gl.LINEAR), table };
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage3D(
      gl.TEXTURE_3D, 0, gl.RGB8, size, size, size, 0, gl.RGB, gl.UNSIGNED_BYTE, data,
    );
  }

  #resizeRows(width, height) {
    const gl = this.#gl;
    if (this.#rows.width === width && this.#rows.height === height) return;
    gl.deleteTexture(this.#rows.texture);
    this.#rows = { ...makeTexture(gl, gl.TEXTURE_2D, gl.NEAREST), width, height };
    gl.texStorage2D(gl.TEXTURE_2D, 1, rowFormat(gl), width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
    gl.framebufferTexture2D(
      gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.#rows.texture, 0,
    );
  }
}

/** Returns the format of the texture of rows; null if there is none to draw to. */
function rowFormat(gl) {
  const found = gl.getExtension("EXT_color_buffer_float")
    ?? gl.getExtension("EXT_color_buffer_half_float");
  return found && gl.RGBA16F;
}

function makeTexture(gl, target, filter) {
  const texture = gl.createTexture();
  gl.bindTexture(target, texture);
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  if (target === gl.TEXTURE_3D) {
    gl.texParameteri(target, gl.TEXTURE_WRAP_R, gl.CLAMP_TO_EDGE);
  }
  return { texture, target };
}

function uploadPicture(gl, picture) {
  const { data, head } = picture;
  const width = head ? (head.size * head.channels) / VECTOR : picture.width;
  const height = head ? head.size : picture.height;
  const [format, type, values] = {
    Uint8ClampedArray: [gl.RGBA8, gl.UNSIGNED_BYTE, data],
    Uint16Array: [gl.RGBA16F, gl.HALF_FLOAT, data],
    Float32Array: [gl.RGBA32F, gl.FLOAT, data],
  }[data.constructor.name];
  const texture = makeTexture(gl, gl.TEXTURE_2D, gl.NEAREST);
  gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, gl.RGBA, type, values);
  return { ...texture, picture, width };
}

/** Returns {head, rows, colours, weights}: the programs of a head, and its buffer. */
function makePrograms(gl, head) {
  const names = {
    SPLINE: head ? "1." : "(1. / 3.)",
    TEXELS: head ? head.channels / VECTOR : 1,
    HIDDEN: head ? head.hidden / VECTOR : 0,
  };
  const rows = link(gl, define(ROWS, names), ["first", "second"]);
  const colours = link(gl, define(COLOURS, names), ["rows", "theme"]);
  const weights = gl.createBuffer();
  gl.bindBuffer(gl.UNIFORM_BUFFER, weights);
  const bytes = head ? decodeBytes(head.weights) : new Uint8Array(16);
  gl.bufferData(gl.UNIFORM_BUFFER, bytes, gl.STATIC_DRAW);
  return { head, rows, colours, weights };
}

function deletePrograms(gl, { rows = null, colours = null, weights = null }) {
  gl.deleteProgram(rows);
  gl.deleteProgram(colours);
  gl.deleteBuffer(weights);
}

function define(source, names) {
  const lines = Object.entries(names).map((pair) => `#define ${pair.join(" ")}\n`);
  return source.replace("\n", `\n${lines.join("")}`);
}

function link(gl, source, samplers) {
  const program = gl.createProgram();
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, VERTICES],
    [gl.FRAGMENT_SHADER, source],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = gl.getAttachedShaders(program).map((one) => gl.getShaderInfoLog(one));
    throw new Error(`shader: ${logs.join(" ")} ${gl.getProgramInfoLog(program)}`);
  }
  gl.useProgram(program);
  samplers.forEach((name, unit) => {
    gl.uniform1i(gl.getUniformLocation(program, name), unit);
  });
  return program;
}

/** Draws with textures in the units 0, 1, ..., and values of uniforms by their names. */
function draw(gl, program, textures, values) {
  gl.useProgram(program);
  textures.forEach(({ target, texture }, unit) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(target, texture);
  });
  for (const [name, value] of Object.entries(values)) {
    gl.uniform1f(gl.getUniformLocation(program, name), value);
  }
  gl.drawArrays(gl.TRIANGLES, 0, 3);
}

/** Draws frames where shaders cannot be used; the browser enlarges them. */
export class FramePainter {
  #context;
  #frame = document.createElement("canvas"); // in the size of the frame
  #shown = null;

  constructor(canvas) {
    this.#context = canvas.getContext("2d");
  }

  /** Draws `first`, an ImageData, as `ShaderPainter.paint` does. */
  paint({ first, theme, layout: { side, left, top } }) {
    if (first !== this.#shown?.frame || theme !== this.#shown.theme) {
      this.#shown = { frame: first, theme };
      this.#copy(first, theme);
    }
    const context = this.#context;
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#frame, left, top, side, side);
  }

  #copy(frame, theme) {
    const { width, height } = frame;
    const coloured = new ImageData(frame.data.slice(), width, height);
    if (theme) recolour(coloured, theme);
    Object.assign(this.#frame, { width, height });
    this.#frame.getContext("2d").putImageData(coloured, 0, 0);
  }
}
