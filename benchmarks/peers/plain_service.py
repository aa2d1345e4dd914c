"""A plain FastAPI endpoint around a predictor: `python -m benchmarks.peers.plain_service RUN`."""

import sys

import uvicorn
from fastapi import FastAPI, UploadFile

import perceivers


def main() -> None:
    """Serve a run on a free port, which uvicorn prints."""
    predictor = perceivers.Predictor(sys.argv[1])
    app = FastAPI()

    @app.post("/v1/predict")
    def predict(file: UploadFile) -> list[dict[str, object]]:
        [prediction] = predictor([file.file.read()])
        return predictor.as_json(prediction)

    uvicorn.run(app, port=0, access_log=False)


if __name__ == "__main__":
    main()
