// The page of a lamp, or of several.

import { Lamp } from "./lamp.js";
import { showLamps } from "./page.js";

showLamps(Lamp);
