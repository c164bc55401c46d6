// Judges what belongs to the Prometheus operator by its own types: JSON objects on stdin, findings on stdout. Run by scripts/check_deploy.py.
import { readFileSync } from "node:fs";
import * as known from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index";

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const place = `${object.kind} ${object.metadata.name}`;
  if (!(object.kind in known)) {
    console.log(`${place}: the Prometheus operator has no such kind`);
    continue;
  }
  try {
    new known[object.kind](object).validate();
  } catch (error) {
    console.log(`${place}: ${error.message}`);
  }
}
