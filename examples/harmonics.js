// Shapes of steerable signals that can be turned, drawn with WebGL and nothing else.
// All numbers follow from `data.coupling`, the Clebsch-Gordan coefficients of the package:
// harmonics of degree l are products of those of degree l - 1 with the direction, and so
// are the matrices by which they turn.
function harmonicsFigure(root, data) {
  "use strict";
  const RINGS = 36, SPOKES = 72, TILT = [0.42, -0.52];
  const RADIUS = 0.9, AXIS = 1.08;
  const IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const MIRROR = [[-1, 0, 0], [0, 1, 0], [0, 0, 1]];

  // ---- the mathematics -------------------------------------------------------------
  const couplings = new Map(Object.entries(data.coupling));
  const coupling = (l1, l2, l3) => couplings.get([l1, l2, l3].join());
  const zeros = (n) => new Float64Array(n);

  /** sqrt(2 l3 + 1) sum_ij C_ijk x_i y_j: the part of degree l3 of a product. */
  function product(l1, l2, l3, x, y) {
    const z = zeros(2 * l3 + 1), scale = Math.sqrt(2 * l3 + 1);
    for (const [i, j, k, c] of coupling(l1, l2, l3)) z[k] += scale * c * x[i] * y[j];
    return z;
  }

  /** Matrices of degrees 0 to lmax: D^l = (2l+1) C (D^(l-1) x R) C. */
  function wigner(lmax, R) {
    const D = [[[1]], R];
    for (let l = 2; l <= lmax; l++) {
      const C = coupling(l - 1, 1, l), size = 2 * l + 1;
      const M = Array.from({ length: size }, () => zeros(size));
      for (const [i, j, k, c] of C)
        for (const [p, q, n, e] of C) M[k][n] += size * c * D[l - 1][i][p] * R[j][q] * e;
      D.push(M);
    }
    return D;
  }

  /** Harmonics of unit vectors, |Y_l| = 1: values, then derivatives by x, y and z. */
  function harmonics(lmax, points) {
    const Y = [points.map(() => [new Float64Array([1, 0, 0, 0])])];
    for (let l = 1; l <= lmax; l++) {
      const C = coupling(l - 1, 1, l), scale = Math.sqrt((4 * l * l - 1) / l);
      Y.push(points.map((n, at) => {
        const lower = Y[l - 1][at];
        const out = Array.from({ length: 2 * l + 1 }, () => zeros(4));
        for (const [i, j, k, c] of C) {
          for (let a = 0; a < 4; a++) out[k][a] += scale * c * lower[i][a] * n[j];
          out[k][1 + j] += scale * c * lower[i][0];
        }
        return out;
      }));
    }
    return Y;
  }

  const times = (A, x) => A.map((row) => row.reduce((sum, a, i) => sum + a * x[i], 0));
  const matmul = (A, B) => A.map((row) => B[0].map((_, j) =>
    row.reduce((sum, a, i) => sum + a * B[i][j], 0)));
  const length = (x) => Math.hypot(...x);
  const unit = (l, m) => Float64Array.from({ length: 2 * l + 1 }, (_, i) => +(i === l + m));

  function about(axis, angle) {
    const [i, j] = [(axis + 1) % 3, (axis + 2) % 3], R = IDENTITY.map((row) => [...row]);
    R[i][i] = R[j][j] = Math.cos(angle);
    R[j][i] = Math.sin(angle);
    R[i][j] = -R[j][i];
    return R;
  }
  const view = matmul(about(0, TILT[0]), about(1, TILT[1]));
  const transposed = (A) => A[0].map((_, j) => A.map((row) => row[j]));

  /** A turn of what is seen, about the screen's axes, as a rotation in space. */
  function turn(dx, dy) {
    const screen = matmul(about(0, dy), about(1, dx));
    return matmul(transposed(view), matmul(screen, view));
  }

  if (!root) return { product, wigner, harmonics };

  // ---- the mesh --------------------------------------------------------------------
  const points = [], triangles = [];
  for (let r = 0; r <= RINGS; r++) {
    for (let s = 0; s <= SPOKES; s++) {
      const t = (Math.PI * r) / RINGS, p = (2 * Math.PI * s) / SPOKES;
      points.push([Math.sin(t) * Math.sin(p), Math.cos(t), Math.sin(t) * Math.cos(p)]);
      if (r === RINGS || s === SPOKES) continue;
      const a = r * (SPOKES + 1) + s, b = a + SPOKES + 1;
      triangles.push(a, b, a + 1, a + 1, b, b + 1);
    }
  }
  const lmax = 2 * data.lmax, table = harmonics(lmax, points);

  /** Position, normal and sign of the vertices of r(n) = c |f(n)|, f = sum_m x_m Y_m:
   *  with c such that the longest lobe is as long as x. */
  function surface(l, x) {
    const out = new Float32Array(7 * points.length);
    const values = points.map((_, at) => {
      const f = [0, 0, 0, 0];
      table[l][at].forEach((y, m) => { for (let a = 0; a < 4; a++) f[a] += x[m] * y[a]; });
      return f;
    });
    const most = values.reduce((max, f) => Math.max(max, Math.abs(f[0])), 1e-9);
    const c = (RADIUS * length(x)) / most;
    points.forEach((n, at) => {
      const f = values[at], sign = f[0] < 0 ? -1 : 1, s = c * sign * f[0];
      const slope = f.slice(1).map((d) => c * sign * d);
      const radial = slope[0] * n[0] + slope[1] * n[1] + slope[2] * n[2];
      for (let a = 0; a < 3; a++) {
        out[7 * at + a] = s * n[a];
        out[7 * at + 3 + a] = s * n[a] - slope[a] + radial * n[a];
      }
      out[7 * at + 6] = sign;
    });
    return out;
  }

  // ---- drawing ---------------------------------------------------------------------
  const canvas = root.querySelector("canvas");
  const gl = canvas.getContext("webgl", { antialias: true, alpha: true });
  if (!gl) {
    root.classList.add("no-webgl");
    return null;
  }
  const program = gl.createProgram();
  const sources = [[gl.VERTEX_SHADER, `
    attribute vec3 position, normal; attribute float tone;
    uniform mat3 view; varying vec3 across; varying float side;
    void main() {
      vec3 seen = view * position;
      across = view * normal; side = tone;
      gl_Position = vec4(seen.xy / 1.2, -seen.z / 4.0, 1.0);
    }`], [gl.FRAGMENT_SHADER, `
    precision mediump float; varying vec3 across; varying float side;
    void main() {
      vec3 color = side > 1.5 ? vec3(0.52)
        : side > 0.0 ? vec3(0.12, 0.56, 0.84) : vec3(0.88, 0.39, 0.18);
      float light = 1.0;
      if (side < 1.5) {
        vec3 n = normalize(across + vec3(0.0, 0.0, 1e-6));
        if (n.z < 0.0) n = -n;
        light = 0.55 + 0.5 * max(dot(n, normalize(vec3(-0.4, 0.7, 0.8))), 0.0);
      }
      gl_FragColor = vec4(min(color * light, 1.0), 1.0);
    }`]];
  for (const [kind, source] of sources) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  gl.uniformMatrix3fv(gl.getUniformLocation(program, "view"), false, transposed(view).flat());
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(triangles), gl.STATIC_DRAW);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  [["position", 3, 0], ["normal", 3, 12], ["tone", 1, 24]].forEach(([name, size, at]) => {
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 28, at);
  });
  const axes = new Float32Array(IDENTITY.flatMap((e) => [-1, 1].flatMap((end) =>
    [...e.map((x) => x * end * AXIS), 0, 0, 0, 2])));

  function draw(cell, l, x) {
    const box = cell.querySelector(".stage").getBoundingClientRect();
    const whole = canvas.getBoundingClientRect(), ratio = canvas.width / whole.width;
    const size = Math.round(box.width * ratio);
    const left = Math.round((box.left - whole.left) * ratio);
    const low = canvas.height - Math.round((box.top - whole.top) * ratio) - size;
    gl.viewport(left, low, size, size);
    gl.bufferData(gl.ARRAY_BUFFER, axes, gl.DYNAMIC_DRAW);
    gl.drawArrays(gl.LINES, 0, 6);
    gl.bufferData(gl.ARRAY_BUFFER, surface(l, x), gl.DYNAMIC_DRAW);
    gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_SHORT, 0);
  }

  // ---- cells -----------------------------------------------------------------------
  const element = (tag, className, text = "") => {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  };

  function makeCell(title, onTurn) {
    const cell = element("div", "shape"), stage = element("div", "stage");
    stage.tabIndex = 0;
    stage.setAttribute("aria-label", `${title}: drag, or use the arrow keys, to turn`);
    ["x", "y", "z"].forEach((name, i) => {
      const [px, py] = times(view, IDENTITY[i].map((e) => 1.17 * e));
      const letter = element("span", "axis", name);
      letter.style.left = `${50 + (px / 1.2) * 50}%`;
      letter.style.top = `${50 - (py / 1.2) * 50}%`;
      stage.append(letter);
    });
    cell.append(element("div", "name", title), stage, element("div", "bars"),
      element("div", "length"));
    let held = null;
    stage.addEventListener("pointerdown", (event) => {
      held = [event.clientX, event.clientY];
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!held) return;
      const here = [event.clientX, event.clientY], speed = 3 / stage.clientWidth;
      onTurn(turn((here[0] - held[0]) * speed, (here[1] - held[1]) * speed));
      held = here;
    });
    for (const end of ["pointerup", "pointercancel"])
      stage.addEventListener(end, () => { held = null; });
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    stage.addEventListener("keydown", (event) => {
      const way = keys[event.key];
      if (!way) return;
      event.preventDefault();
      onTurn(turn(way[0] * 0.1, way[1] * 0.1));
    });
    return cell;
  }

  function label(cell, x) {
    const bars = cell.querySelector(".bars");
    while (bars.children.length < x.length) bars.append(element("span", "bar"));
    x.forEach((value, i) => {
      const bar = bars.children[i];
      bar.title = value.toFixed(3);
      bar.style.height = `${Math.abs(value) * 50}%`;
      bar.style[value < 0 ? "top" : "bottom"] = "50%";
      bar.style[value < 0 ? "bottom" : "top"] = "auto";
      bar.style.left = `${(100 * (i + 0.15)) / x.length}%`;
      bar.style.width = `${70 / x.length}%`;
      bar.classList.toggle("negative", value < 0);
    });
    cell.querySelector(".length").textContent = `length ${length(x).toFixed(3)}`;
  }

  // ---- the two figures -------------------------------------------------------------
  const control = (name) => root.querySelector(`[name=${name}]`);
  const rows = (name) => root.querySelector(`.${name}`);
  const irrep = (l, p) => `${l}${p > 0 ? "e" : "o"}`;
  let turned, cells, wanted = false;

  const kinds = {
    // all harmonics of one degree, turned together; weights are columns of D
    harmonics: {
      build() {
        const l = +control("l").value;
        control("l").nextElementSibling.textContent = l;
        turned = { all: IDENTITY };
        cells = Array.from({ length: 2 * l + 1 }, (_, i) =>
          makeCell(`m = ${i - l}`, (R) => move(["all"], R)));
        rows("outputs").replaceChildren(...cells);
      },
      signals() {
        const l = +control("l").value, D = wigner(l, turned.all)[l];
        return cells.map((_, i) => [l, times(D, unit(l, i - l))]);
      },
    },
    // two signals, each turned alone, and all parts of their tensor product
    product: {
      build() {
        turned = { a: about(2, -0.5), b: IDENTITY };
        const degrees = ["a", "b"].map((name) => {
          const l = +control(name).value, slider = control(`m${name}`);
          slider.min = -l;
          slider.max = l;
          slider.nextElementSibling.textContent = slider.value;
          return l;
        });
        const inputs = ["a", "b"].map((name, i) =>
          makeCell(`${name}: ${irrep(degrees[i], (-1) ** degrees[i])}`, (R) => move([name], R)));
        const [low, high] = [Math.abs(degrees[0] - degrees[1]), degrees[0] + degrees[1]];
        const outputs = Array.from({ length: high - low + 1 }, (_, i) =>
          makeCell(irrep(low + i, (-1) ** high), (R) => move(["a", "b"], R)));
        rows("inputs").replaceChildren(...inputs);
        rows("outputs").replaceChildren(...outputs);
        cells = [...inputs, ...outputs];
      },
      signals() {
        const [a, b] = ["a", "b"].map((name) => {
          const l = +control(name).value, m = +control(`m${name}`).value;
          return [l, times(wigner(l, turned[name])[l], unit(l, m))];
        });
        const products = cells.slice(2).map((_, i) => {
          const l = Math.abs(a[0] - b[0]) + i;
          return [l, product(a[0], b[0], l, a[1], b[1])];
        });
        return [a, b, ...products];
      },
    },
  };
  const kind = kinds[root.dataset.kind];

  function redraw() {
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(() => {
      wanted = false;
      const signals = kind.signals();
      signals.forEach(([, x], i) => label(cells[i], x));
      const ratio = Math.min(window.devicePixelRatio || 1, 3);
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      signals.forEach(([l, x], i) => draw(cells[i], l, x));
    });
  }

  function move(names, R) {
    for (const name of names) turned[name] = matmul(R, turned[name]);
    redraw();
  }

  root.querySelectorAll("select, input").forEach((input) =>
    input.addEventListener("input", () => { kind.build(); redraw(); }));
  control("mirror").addEventListener("click", () => move(Object.keys(turned), MIRROR));
  control("reset").addEventListener("click", () => { kind.build(); redraw(); });
  new ResizeObserver(redraw).observe(root);
  kind.build();
  redraw();
  return { move };
}
