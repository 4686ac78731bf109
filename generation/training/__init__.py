"""The recipe that made the built-in model, from artwork to weights. Read it like a chapter:

packages.py       the artwork, as pinned packages                    noise.py         the mathematics: start here
artwork.py        drawn, cropped, joined with names                  networks.py      VAE, text encoder, U-Net
concepts.py       what is taught                                     autoencoder.py   teaching the VAE
recolouring.py    the same thing in other colours                    diffusion.py     teaching the rest to draw
captions.py       what people would call it                          judge.py         who says whether it is a fox
training_set.py   all of it, weighted                                evaluation.py    how good it is, in numbers
user_folder.py    or anybody's own pictures                          export.py        the finished folder
tokenizer.py      words to numbers                                   model_card.py    what to say of it

learner.py, pace.py, crew.py, checkpoint.py   gradient descent: its loop, its speed, its processes, its memory
stages.py, __main__.py                        the five commands
lora.py, lora_styles.py                       a sixth one: something more for a finished model
"""
