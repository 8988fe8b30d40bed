"""Where on the patient's own scan the answer comes from: class activation maps, occlusion, attention."""
